"""How good is a tagger on a text without labels? Draw sentences, have them corrected, estimate, say how sure."""
