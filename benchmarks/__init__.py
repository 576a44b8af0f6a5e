"""What the kernel costs, measured side by side with plain ipykernel. `python -m benchmarks.run`."""
