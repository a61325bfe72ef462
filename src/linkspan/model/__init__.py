"""The nouns of container networking and their grammar: pure values and one error tree."""
