"""Other runtimes for an encoder's forward pass, each compared with that of torch."""
