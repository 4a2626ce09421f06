"""Making a small multilingual encoder from plain text: tokenizer, rows, initialisation, training."""
