"""The node agent: takes snapshots, keeps the node's cache, vouches for pods, installs the runtime."""
