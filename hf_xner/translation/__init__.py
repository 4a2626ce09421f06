"""Words across languages: vectors, mappings, translators, and corpora made with them."""
