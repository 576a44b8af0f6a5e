/* Where a pickle stream is cut: the native twin of `store/format/chunking`, which says why it is cut there. */
#include "native.h"

#define NARROW 4
#define WINDOW 64

typedef struct {
    const uint8_t *data, *tables[NARROW];
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

/* The next cut behind the one before; -1 where there is none. */
static Py_ssize_t
next_cut(const Cutting *c, Py_ssize_t last)
{
    Py_ssize_t stop = c->length - last < c->most ? c->length : last + c->most;
    for (Py_ssize_t place = last + c->least; place <= stop; place++) {
        const uint8_t *before = c->data + place - NARROW;
        uint8_t hash = c->tables[0][before[0]] ^ c->tables[1][before[1]] ^ c->tables[2][before[2]] ^ c->tables[3][before[3]];
        if (hash == 0 && (checksum(c, place) & c->mask) == 0) {
            return place;
        }
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
    for (int table = 0; table < NARROW; table++) {
        c.tables[table] = (const uint8_t *)PyBytes_AS_STRING(tables) + 256 * table;
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
