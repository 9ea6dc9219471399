"""The ledger: checkable sentences of the article, of papers and of public code, each with what decides it."""
