"""Who may call the gateway: signatures by access keys, bearer tokens of the cluster, what each may do and how often."""
