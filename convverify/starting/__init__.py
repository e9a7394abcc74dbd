"""What `convverify init` writes into a repository: tests, a workflow, benchmarks, a domain, for the kernels that it finds there."""
