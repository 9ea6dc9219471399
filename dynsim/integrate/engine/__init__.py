"""Flows as machine code: SymPy to LLVM, eight trajectories per instruction, DOP853 with its own step for each."""
