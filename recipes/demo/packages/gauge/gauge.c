/* gauge: a bar for a number between nothing and a whole. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	const int width = 40;
	double part, whole;
	int filled;

	if (argc != 3) {
		fprintf(stderr, "usage: gauge PART WHOLE\n");
		return 2;
	}
	part = strtod(argv[1], NULL);
	whole = strtod(argv[2], NULL);
	if (!(whole > 0) || !(part >= 0) || part > whole) {
		fprintf(stderr, "gauge: want 0 <= PART <= WHOLE\n");
		return 1;
	}
	filled = (int)(part / whole * width + 0.5);
	putchar('[');
	for (int i = 0; i < width; i++)
		putchar(i < filled ? '#' : '.');
	printf("] %3.0f%%\n", part / whole * 100);
	return 0;
}
