"""The words Thaw speaks: resources, the node's wire, Lambda's shapes. No I/O, nothing of the rest imported."""
