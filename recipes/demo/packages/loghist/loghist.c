/* loghist: a histogram of one field of each line. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tally.h>

static void print(const char *word, size_t count, void *data)
{
	size_t *most = data;
	size_t bar;

	if (*most == 0)
		*most = count; /* the most frequent comes first */
	bar = (count * 40 + *most - 1) / *most;
	printf("%-16s %7zu ", word, count);
	while (bar-- > 0)
		putchar('=');
	putchar('\n');
}

int main(int argc, char **argv)
{
	long field = argc > 1 ? atol(argv[1]) : 1;
	struct tally *values = tally_new();
	char *line = NULL;
	size_t room = 0, most = 0;

	if (values == NULL || field < 1) {
		fprintf(stderr, "usage: loghist [FIELD]\n");
		return 2;
	}
	while (getline(&line, &room, stdin) >= 0) {
		char *rest = line, *word = NULL;

		for (long i = 0; i < field; i++)
			do
				word = strsep(&rest, " \t\n");
			while (word != NULL && *word == '\0');
		if (word != NULL && tally_add(values, word) != 0)
			return 1;
	}
	tally_each(values, print, &most);
	tally_free(values);
	free(line);
	return 0;
}
