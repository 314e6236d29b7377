#include "tally.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	char *word;
	size_t count;
};

struct tally {
	struct entry *entries;
	size_t size, room;
};

struct tally *tally_new(void)
{
	return calloc(1, sizeof(struct tally));
}

/* The place of the word, or where it belongs: entries are kept by the alphabet. */
static size_t place(const struct tally *t, const char *word, int *found)
{
	size_t low = 0, high = t->size;

	*found = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(t->entries[middle].word, word);

		if (order == 0) {
			*found = 1;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int grow(struct tally *t)
{
	size_t room = t->room ? t->room * 2 : 64;
	struct entry *entries = realloc(t->entries, room * sizeof *entries);

	if (entries == NULL)
		return -1;
	t->entries = entries;
	t->room = room;
	return 0;
}

int tally_add(struct tally *t, const char *word)
{
	int found;
	size_t at = place(t, word, &found);
	char *copy;

	if (found) {
		t->entries[at].count++;
		return 0;
	}
	if (t->size == t->room && grow(t) != 0)
		return -1;
	copy = strdup(word);
	if (copy == NULL)
		return -1;
	memmove(&t->entries[at + 1], &t->entries[at], (t->size - at) * sizeof *t->entries);
	t->entries[at] = (struct entry){copy, 1};
	t->size++;
	return 0;
}

size_t tally_size(const struct tally *t)
{
	return t->size;
}

static int by_count(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->word, y->word);
}

void tally_each(struct tally *t, void (*visit)(const char *, size_t, void *), void *data)
{
	struct entry *sorted;

	if (t->size == 0)
		return;
	sorted = malloc(t->size * sizeof *sorted);
	if (sorted == NULL)
		return;
	memcpy(sorted, t->entries, t->size * sizeof *sorted);
	qsort(sorted, t->size, sizeof *sorted, by_count);
	for (size_t i = 0; i < t->size; i++)
		visit(sorted[i].word, sorted[i].count, data);
	free(sorted);
}

void tally_free(struct tally *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->size; i++)
		free(t->entries[i].word);
	free(t->entries);
	free(t);
}
