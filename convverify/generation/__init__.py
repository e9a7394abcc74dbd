"""Generation: where cases come from.  Strategies, edge cases, companions, and the corpus of earlier counterexamples."""
