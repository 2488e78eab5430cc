// Linked with one whole layer: that it links is the test.
int main() { return 0; }
