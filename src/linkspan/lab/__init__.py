"""Throwaway hosts made of network namespaces, for tests, benchmarks and the demo."""
