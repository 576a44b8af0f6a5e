/* Sets of plain atoms: small ones by their sorted reprs, others by sums over digests of their items, in no order. */
#include "native.h"

#define SUMMED 1024 /* as `detect.walk.containers` */

typedef struct {
    const char *data;
    size_t length;
} Piece;

static int
in_order(const void *one, const void *other)
{
    const Piece *left = one, *right = other;
    int differs = memcmp(left->data, right->data, left->length < right->length ? left->length : right->length);
    return differs ? differs : (left->length > right->length) - (left->length < right->length);
}

/* UTF-8 sorts as code points do, surrogates included. */
static int
write_sorted(Buffer *out, Buffer *scratch, PySetObject *set)
{
    size_t ends[SUMMED];
    Piece pieces[SUMMED];
    Py_ssize_t found = 0;
    scratch->length = 0;
    for (Py_ssize_t place = 0; place <= set->mask && found < SUMMED; place++) {
        PyObject *item = set->table[place].key;
        if (item == NULL || set->table[place].hash == -1) {
            continue;
        }
        int written = plain_kind(item) ? write_repr(scratch, item) : NOT_PLAIN;
        if (written != WRITTEN) {
            return written;
        }
        ends[found++] = scratch->length;
    }
    for (Py_ssize_t place = 0; place < found; place++) {
        size_t start = place ? ends[place - 1] : 0;
        pieces[place] = (Piece){scratch->data + start, ends[place] - start};
    }
    if (found > 1) {
        qsort(pieces, (size_t)found, sizeof(Piece), in_order);
    }
    Buffer joined = {0};
    int failed = 0;
    for (Py_ssize_t place = 0; !failed && place < found; place++) {
        failed = (place && buffer_put(&joined, "", 1) < 0) || buffer_put(&joined, pieces[place].data, pieces[place].length) < 0;
    }
    failed = failed || write_text(out, 'R', joined.data, joined.length) < 0;
    buffer_free(&joined);
    return failed ? FAILED : WRITTEN;
}

typedef struct {
    uint64_t first, second_low, second_high;
} Sums;

static void
add(Sums *sums, uint64_t digest)
{
    Wide square = multiply_wide(digest, digest);
    sums->first += digest;
    sums->second_low += square.low;
    sums->second_high += square.high + (sums->second_low < square.low);
}

/* What is too long to be hashed here is put aside: other code may run when it is, and change the set. */
static int
add_item(Sums *sums, Buffer *scratch, PyObject *item, PyObject *aside)
{
    if (!plain_kind(item)) {
        return NOT_PLAIN;
    }
    Py_ssize_t size = PyUnicode_CheckExact(item) ? PyUnicode_GET_LENGTH(item) : PyBytes_CheckExact(item) ? PyBytes_GET_SIZE(item) : 0;
    scratch->length = 0;
    if (size <= XXH3_MOST && write_atom(scratch, item) != WRITTEN) {
        return FAILED;
    }
    if (size <= XXH3_MOST && scratch->length <= XXH3_MOST) {
        add(sums, xxh3_64((const uint8_t *)scratch->data, scratch->length));
        return WRITTEN;
    }
    return PyList_Append(aside, item) < 0 ? FAILED : WRITTEN;
}

static int
add_each(Sums *sums, Buffer *scratch, PyObject *const *items, size_t count, PyObject *aside)
{
    int written = WRITTEN;
    for (size_t place = 0; written == WRITTEN && place < count; place++) {
        if (place + AHEAD < count) {
            fetch(items[place + AHEAD]);
        }
        written = add_item(sums, scratch, items[place], aside);
    }
    return written;
}

#define FEW 64
#define MANY (1 << 15) /* so many lie on more pages than a processor knows by heart */
#define GATHERED (1 << 20)
#define REGIONS 1024
#define REGION_BITS 18

static inline size_t
region_of(const PyObject *item)
{
    return (size_t)((uintptr_t)item >> REGION_BITS) % REGIONS;
}

/* Items that lie near to each other, one after the other: those of a large set lie anywhere, and most of the time went to find
 * the page of each.
 */
static void
by_region(PyObject *const *items, size_t count, PyObject **sorted)
{
    size_t ends[REGIONS] = {0}, end = 0;
    for (size_t place = 0; place < count; place++) {
        ends[region_of(items[place])]++;
    }
    for (size_t region = 0; region < REGIONS; region++) {
        size_t some = ends[region];
        ends[region] = end;
        end += some;
    }
    for (size_t place = 0; place < count; place++) {
        sorted[ends[region_of(items[place])]++] = items[place];
    }
}

/* As many as there is room for at a time; no code runs meanwhile that could change the set. */
static int
add_items(Sums *sums, Buffer *scratch, PySetObject *set, PyObject *aside)
{
    PyObject *few[FEW], **items = few, **sorted = NULL;
    size_t room = FEW, count = 0;
    if (set->used >= MANY) {
        size_t wanted = set->used < GATHERED ? (size_t)set->used : GATHERED;
        sorted = PyMem_Malloc(2 * wanted * sizeof(PyObject *)); /* without, it takes longer */
        room = sorted == NULL ? FEW : wanted;
        items = sorted == NULL ? few : sorted + wanted;
    }
    int written = WRITTEN;
    for (Py_ssize_t place = 0; written == WRITTEN && place <= set->mask; place++) {
        PyObject *item = set->table[place].key;
        if (item != NULL && set->table[place].hash != -1) {
            items[count++] = item;
        }
        if (count == room || (count && place == set->mask)) {
            if (sorted != NULL) {
                by_region(items, count, sorted);
            }
            written = add_each(sums, scratch, sorted == NULL ? items : sorted, count, aside);
            count = 0;
        }
    }
    PyMem_Free(sorted);
    return written;
}

static int
add_long(Sums *sums, Buffer *scratch, PyObject *items)
{
    for (Py_ssize_t place = 0; place < PyList_GET_SIZE(items); place++) {
        scratch->length = 0;
        if (write_atom(scratch, PyList_GET_ITEM(items, place)) != WRITTEN) {
            return FAILED;
        }
        PyObject *found = PyObject_CallFunction(xxh3_64_intdigest, "y#", scratch->data, (Py_ssize_t)scratch->length);
        if (found == NULL) {
            return FAILED;
        }
        add(sums, PyLong_AsUnsignedLongLong(found));
        Py_DECREF(found);
    }
    return PyErr_Occurred() ? FAILED : WRITTEN;
}

static int
write_summed(Buffer *out, Buffer *scratch, PySetObject *set)
{
    Sums sums = {0};
    PyObject *aside = PyList_New(0); /* may start a collection: before anything is read */
    int written = aside == NULL ? FAILED : add_items(&sums, scratch, set, aside);
    if (written == WRITTEN) {
        written = add_long(&sums, scratch, aside);
    }
    Py_XDECREF(aside);
    uint8_t bytes[25] = {'U'};
    uint64_t words[3] = {sums.first, sums.second_low, sums.second_high};
    for (int place = 0; place < 24; place++) {
        bytes[1 + place] = (uint8_t)(words[place / 8] >> (8 * (place % 8)));
    }
    return written != WRITTEN ? written : buffer_put(out, bytes, sizeof(bytes)) < 0 ? FAILED : WRITTEN;
}

int
write_set(Buffer *out, Buffer *scratch, PyObject *set)
{
    PySetObject *found = (PySetObject *)set;
    if (found->used >= SUMMED) {
        return write_summed(out, scratch, found);
    }
    return write_sorted(out, scratch, found);
}
