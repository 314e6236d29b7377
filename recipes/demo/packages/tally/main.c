/* tally: how often each word of the standard input is there. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <tally.h>

struct limit {
	long left;
};

static void print(const char *word, size_t count, void *data)
{
	struct limit *limit = data;

	if (limit->left-- > 0)
		printf("%7zu %s\n", count, word);
}

int main(int argc, char **argv)
{
	struct limit limit = {argc > 1 ? atol(argv[1]) : 10};
	struct tally *words = tally_new();
	char word[256];
	size_t length = 0;
	int c;

	if (words == NULL)
		return 1;
	do {
		c = getchar();
		if (c != EOF && isalnum(c)) {
			if (length + 1 < sizeof word)
				word[length++] = (char)tolower(c);
			continue;
		}
		word[length] = '\0';
		if (length > 0 && tally_add(words, word) != 0)
			return 1;
		length = 0;
	} while (c != EOF);
	tally_each(words, print, &limit);
	fprintf(stderr, "%zu words, by libtally %s\n", tally_size(words), TALLY_VERSION);
	tally_free(words);
	return 0;
}
