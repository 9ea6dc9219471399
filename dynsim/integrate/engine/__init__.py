"""Flows as machine code: SymPy to LLVM, eight trajectories per instruction, each with steps of its own."""
