"""Our kernel, and what a kernel of others needs to become one."""
