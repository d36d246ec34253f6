"""The start page of `tocsin dev`: what just happened, a live inbox to try, and the way to everything else."""
