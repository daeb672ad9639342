"""The application: the command line, the settings, and what each command does."""
