/* sumtree: a checksum of each file, and one of all of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const uint64_t basis = 14695981039346656037u, prime = 1099511628211u;

static uint64_t fnv1a(uint64_t sum, const void *data, size_t length)
{
	const unsigned char *byte = data;

	while (length-- > 0)
		sum = (sum ^ *byte++) * prime;
	return sum;
}

static int sum_file(const char *name, uint64_t *sum)
{
	unsigned char buffer[1 << 16];
	FILE *file = fopen(name, "rb");
	size_t length;
	int failed;

	if (file == NULL)
		return -1;
	*sum = basis;
	while ((length = fread(buffer, 1, sizeof buffer, file)) > 0)
		*sum = fnv1a(*sum, buffer, length);
	failed = ferror(file);
	fclose(file);
	return failed ? -1 : 0;
}

int main(int argc, char **argv)
{
	uint64_t all = basis, sum;
	int status = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: sumtree FILE...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (sum_file(argv[i], &sum) != 0) {
			fprintf(stderr, "sumtree: %s: %s\n", argv[i], strerror(errno));
			status = 1;
			continue;
		}
		printf("%016" PRIx64 "  %s\n", sum, argv[i]);
		all = fnv1a(all, &sum, sizeof sum);
	}
	printf("%016" PRIx64 "  all\n", all);
	return status;
}
