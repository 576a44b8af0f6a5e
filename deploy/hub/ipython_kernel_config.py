"""What kernels in the image for hubs are told."""

c = get_config()  # noqa: F821  IPython's

c.KishuKernel.auto_resume = True  # who comes back finds all as it was
