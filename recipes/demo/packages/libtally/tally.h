/* libtally: counts how often each word was seen. */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>

#define TALLY_VERSION "1.2.0"

#ifdef __cplusplus
extern "C" {
#endif

struct tally;

/* A new, empty tally; NULL without memory. */
struct tally *tally_new(void);

/* Counts a word once more; 0, or -1 without memory. */
int tally_add(struct tally *, const char *word);

/* How many different words there are. */
size_t tally_size(const struct tally *);

/* Calls visit for each word: the most frequent first, then by the alphabet. */
void tally_each(struct tally *, void (*visit)(const char *word, size_t count, void *data), void *data);

/* Frees the tally; NULL is left alone. */
void tally_free(struct tally *);

#ifdef __cplusplus
}
#endif

#endif
