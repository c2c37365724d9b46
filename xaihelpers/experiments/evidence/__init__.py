"""Every method, layer and network over whole test sets."""
