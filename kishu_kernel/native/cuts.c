/* Where a pickle stream is cut, and what is taken out before: the native twin of `store/format/chunking`, which says why. */
#include "native.h"

#define NARROW 4
#define WINDOW 64
#define STEP 8

typedef struct {
    const uint8_t *data;
    uint32_t mixed[256]; /* what a byte adds to the hashes of the four places behind it: one in each byte, the next one lowest */
    Py_ssize_t length, least, most;
    uint32_t mask;
} Cutting;

static uint32_t sums[8][256]; /* of a byte with so many zeros behind it */

static void
make_sums(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++) {
            sum = sum & 1 ? sum >> 1 ^ 0xEDB88320u : sum >> 1;
        }
        sums[0][byte] = sum;
    }
    for (int zeros = 1; zeros < 8; zeros++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t sum = sums[zeros - 1][byte];
            sums[zeros][byte] = sums[0][sum & 0xFF] ^ sum >> 8;
        }
    }
}

/* zlib's CRC-32 of the window before a place, eight bytes at a time. */
static uint32_t
checksum(const Cutting *c, Py_ssize_t place)
{
    uint32_t sum = 0xFFFFFFFFu;
    for (const uint8_t *at = c->data + place - WINDOW; at < c->data + place; at += 8) {
        sum = sums[7][(sum ^ at[0]) & 0xFF] ^ sums[6][(sum >> 8 ^ at[1]) & 0xFF] ^ sums[5][(sum >> 16 ^ at[2]) & 0xFF] ^
              sums[4][(sum >> 24 ^ at[3]) & 0xFF] ^ sums[3][at[4]] ^ sums[2][at[5]] ^ sums[1][at[6]] ^ sums[0][at[7]];
    }
    return sum ^ 0xFFFFFFFFu;
}

static inline int
is_cut(const Cutting *c, Py_ssize_t place)
{
    return (checksum(c, place) & c->mask) == 0;
}

/* The next cut behind the one before; -1 where there is none. The hashes of eight places are worked out together. */
static Py_ssize_t
next_cut(const Cutting *c, Py_ssize_t last)
{
    Py_ssize_t stop = c->length - last < c->most ? c->length : last + c->most, place = last + c->least;
    uint64_t rest = 0; /* what the bytes before add to the hashes of the next places */
    for (Py_ssize_t before = place - NARROW; before < place - 1 && place <= stop; before++) {
        rest = (rest ^ c->mixed[c->data[before]]) >> 8;
    }
    for (; place <= stop - STEP; place += STEP) { /* the hash of a place ends with the byte before it */
        const uint8_t *at = c->data + place - 1;
        uint64_t hashes = rest, spilt = 0;
        for (int byte = 0; byte < STEP; byte++) {
            uint64_t mixed = c->mixed[at[byte]];
            hashes ^= mixed << (8 * byte);
            spilt ^= byte > STEP - NARROW ? mixed >> (8 * (STEP - byte)) : 0;
        }
        rest = spilt;
        uint64_t zeros = (hashes - 0x0101010101010101ULL) & ~hashes & 0x8080808080808080ULL;
        for (int byte = 0; zeros && byte < STEP; byte++) {
            if ((hashes >> (8 * byte) & 0xFF) == 0 && is_cut(c, place + byte)) {
                return place + byte;
            }
        }
    }
    for (; place <= stop; place++) {
        rest ^= c->mixed[c->data[place - 1]];
        if ((rest & 0xFF) == 0 && is_cut(c, place)) {
            return place;
        }
        rest >>= 8;
    }
    return c->length - last > c->most ? last + c->most : -1;
}

/* cuts(data, tables, least, most, mask): the places of the cuts in bytes that begin at a cut. Lets other threads run. */
PyObject *
cuts_find(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *data, *tables;
    Cutting c;
    unsigned int mask;
    if (!PyArg_ParseTuple(arguments, "SSnnI", &data, &tables, &c.least, &c.most, &mask)) {
        return NULL;
    }
    if (PyBytes_GET_SIZE(tables) != 256 * NARROW || c.least < WINDOW || c.most < c.least) {
        PyErr_SetString(PyExc_ValueError, "four tables, and at least a window between two cuts");
        return NULL;
    }
    c.data = (const uint8_t *)PyBytes_AS_STRING(data);
    c.length = PyBytes_GET_SIZE(data);
    c.mask = mask;
    for (int byte = 0; byte < 256; byte++) {
        c.mixed[byte] = 0;
        for (int table = 0; table < NARROW; table++) { /* the last one is for the byte right before a place */
            c.mixed[byte] |= (uint32_t)(uint8_t)PyBytes_AS_STRING(tables)[256 * table + byte] << (8 * (NARROW - 1 - table));
        }
    }
    if (sums[0][1] == 0) {
        make_sums();
    }
    Py_ssize_t room = c.length / c.least + 1, count = 0, last = 0;
    Py_ssize_t *places = PyMem_Malloc((size_t)room * sizeof(Py_ssize_t));
    if (places == NULL) {
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS;
    while (count < room && (last = next_cut(&c, last)) >= 0) {
        places[count++] = last;
    }
    Py_END_ALLOW_THREADS;
    PyObject *found = PyList_New(count);
    for (Py_ssize_t place = 0; found != NULL && place < count; place++) {
        PyObject *number = PyLong_FromSsize_t(places[place]);
        if (number == NULL) {
            Py_CLEAR(found);
        }
        else {
            PyList_SET_ITEM(found, place, number);
        }
    }
    PyMem_Free(places);
    return found;
}

#define MARK '('
#define DENSE 256 /* as in `chunking` */

/* pairs(data): the places of the seams that are pairs of opcodes, each with its kind; an empty list where they stand so close
 * to each other that they are none.
 */
PyObject *
seams_find(PyObject *Py_UNUSED(module), PyObject *data)
{
    static const char codes[] = "eu\x90";
    if (!PyBytes_CheckExact(data)) {
        PyErr_SetString(PyExc_TypeError, "pairs are found in bytes");
        return NULL;
    }
    const char *start = PyBytes_AS_STRING(data), *end = start + PyBytes_GET_SIZE(data), *at = start;
    PyObject *found = PyList_New(0);
    while (found != NULL && at < end && (at = memchr(at, MARK, (size_t)(end - at))) != NULL) {
        const char *code = at == start || at[-1] == 0 ? NULL : strchr(codes, at[-1]);
        at++;
        if (code == NULL) {
            continue;
        }
        PyObject *pair = Py_BuildValue("(ni)", (Py_ssize_t)(at - start) - 2, (int)(code - codes));
        if (pair == NULL || PyList_Append(found, pair) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(pair);
        if (found != NULL && PyList_GET_SIZE(found) * DENSE >= end - start) {
            Py_DECREF(found);
            return PyList_New(0);
        }
    }
    return found;
}
