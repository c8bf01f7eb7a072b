"""What is persisted and passed between the packages: jobs, records, documents, failures, manifests, errors. No I/O."""
