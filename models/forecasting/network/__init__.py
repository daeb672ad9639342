"""An LSTM across merchants: it corrects the seasonal baseline, and runs in numpy."""
