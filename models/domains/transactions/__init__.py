"""Card transactions: each is judged by its card's and terminal's history."""
