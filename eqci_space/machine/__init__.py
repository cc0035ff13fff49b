"""How work is carried out: chunks, processes, check-points, compiled kernels, the solver, progress."""
