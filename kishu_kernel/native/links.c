/* What several walks have in common: a merge of their memos. */
#include "native.h"

#define NUMBER_BITS 40
#define HALF (1LL << (NUMBER_BITS - 1))

typedef struct {
    int64_t number, position, first;
} Joint;

static int
take(PyObject *const *arguments, Py_ssize_t count, Memo **owners, Memo **links, long long *position)
{
    if (count != 3 || Py_TYPE(arguments[0]) != &MemoType) {
        PyErr_SetString(PyExc_TypeError, "takes a Memo of owners, links and a position");
        return -1;
    }
    *position = PyLong_AsLongLong(arguments[2]);
    if (*position == -1 && PyErr_Occurred()) {
        return -1;
    }
    *owners = (Memo *)arguments[0];
    *links = memo_from(arguments[1]);
    return *links == NULL ? -1 : 0;
}

/* Where nobody owns anything yet, all of it is this one's: the table is taken as it is. 1: so it is; 0: somebody owns
 * something; -1: no memory.
 */
static int
take_all(Memo *owners, const Memo *links, int64_t value, int numbered)
{
    if (owners->count || owners == links || links->mask == 0) {
        return 0;
    }
    size_t slots = links->mask + 1;
    Slot *taken = slots_new(slots);
    if (taken == NULL) {
        return -1;
    }
    for (size_t place = 0; place < slots; place++) {
        taken[place].key = links->slots[place].key;
        taken[place].value = value + (numbered ? links->slots[place].value : 0);
    }
    slots_free(owners->slots, owners->mask + 1);
    owners->slots = taken;
    owners->mask = links->mask;
    owners->count = links->count;
    return 1;
}

/* claim(owners, links, position): a set of the positions that own some of these; what nobody owns is from now on this one's. */
PyObject *
links_claim(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    Memo *owners, *links;
    long long position, last = -1;
    if (take(arguments, count, &owners, &links, &position) < 0) {
        return NULL;
    }
    PyObject *found = PySet_New(NULL);
    int all = found == NULL ? -1 : take_all(owners, links, position, 0);
    if (all < 0) {
        Py_CLEAR(found);
    }
    for (size_t place = 0; !all && found != NULL && links->mask && place <= links->mask; place++) {
        uintptr_t key = links->slots[place].key;
        Slot *slot = key ? memo_find(owners, key) : NULL;
        int failed = 0;
        if (slot == NULL) {
            failed = key ? memo_insert(owners, key, position) < 0 : 0;
        }
        else if (slot->value != position && slot->value != last) {
            PyObject *other = PyLong_FromLongLong(last = slot->value);
            failed = other == NULL || PySet_Add(found, other) < 0;
            Py_XDECREF(other);
        }
        if (failed) {
            Py_CLEAR(found);
        }
    }
    Py_DECREF(links);
    return found;
}

static int
in_order(const void *one, const void *other)
{
    const Joint *left = one, *right = other;
    int negative = (left->number < 0) - (right->number < 0); /* attributes come last, as they are numbered */
    int64_t magnitude = (left->number < 0 ? -left->number : left->number) - (right->number < 0 ? -right->number : right->number);
    int64_t differs = negative ? negative : magnitude ? magnitude : left->position - right->position;
    differs = differs ? differs : left->first - right->first;
    return (differs > 0) - (differs < 0);
}

/* Numbers are mostly few more than there are joints: then each has a place, and what is left to sort is next to nothing. */
static int
by_places(Joint *joints, Py_ssize_t count)
{
    int64_t least = 0, most = 0;
    for (Py_ssize_t place = 0; place < count; place++) {
        least = joints[place].number < least ? joints[place].number : least;
        most = joints[place].number > most ? joints[place].number : most;
    }
    if (count < 64 || most - least > 16 * (int64_t)count) {
        return 0;
    }
    size_t size = (size_t)(most - least) + 2;
    Py_ssize_t *ends = PyMem_Calloc(size, sizeof(Py_ssize_t));
    Joint *sorted = PyMem_Malloc((size_t)count * sizeof(Joint));
    int done = ends != NULL && sorted != NULL;
    if (done) {
#define RANK(number) ((size_t)((number) < 0 ? most - (number) : (number))) /* those below zero come last, by magnitude */
        for (Py_ssize_t place = 0; place < count; place++) {
            ends[RANK(joints[place].number)]++;
        }
        for (size_t rank = 1; rank < size; rank++) {
            ends[rank] += ends[rank - 1];
        }
        for (Py_ssize_t place = count; place-- > 0;) {
            sorted[--ends[RANK(joints[place].number)]] = joints[place];
        }
        for (Py_ssize_t place = 1; place < count; place++) { /* of one number there are few */
            Joint joint = sorted[place];
            Py_ssize_t before = place;
            for (; before > 0 && in_order(&sorted[before - 1], &joint) > 0; before--) {
                sorted[before] = sorted[before - 1];
            }
            sorted[before] = joint;
        }
        memcpy(joints, sorted, (size_t)count * sizeof(Joint));
    }
    PyMem_Free(ends);
    PyMem_Free(sorted);
    return done;
}

static PyObject *
written(Joint *joints, Py_ssize_t count)
{
    Buffer out = {0};
    int failed = 0;
    if (!by_places(joints, count)) {
        qsort(joints, (size_t)count, sizeof(Joint), in_order);
    }
    for (Py_ssize_t place = 0; !failed && place < count; place++) {
        failed = (place && buffer_put(&out, "|", 1) < 0) || buffer_put_number(&out, 0, joints[place].number, ':') < 0 ||
                 buffer_put_number(&out, 0, joints[place].position, '>') < 0 ||
                 buffer_put_number(&out, 0, joints[place].first, ';') < 0;
    }
    PyObject *bytes = failed ? NULL : PyBytes_FromStringAndSize(out.data, (Py_ssize_t)out.length);
    buffer_free(&out);
    return bytes;
}

/* join(owners, links, position): `number:position>first;` for each of these that another one owns; the rest is this one's. */
PyObject *
links_join(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    Memo *owners, *links;
    long long position;
    if (take(arguments, count, &owners, &links, &position) < 0) {
        return NULL;
    }
    Joint *joints = PyMem_Malloc((size_t)(links->count + 1) * sizeof(Joint));
    Py_ssize_t found = 0;
    int all = joints == NULL ? -1 : take_all(owners, links, (int64_t)(position << NUMBER_BITS) + HALF, 1);
    int failed = all < 0;
    for (size_t place = 0; !failed && !all && links->mask && place <= links->mask; place++) {
        uintptr_t key = links->slots[place].key;
        int64_t number = links->slots[place].value;
        Slot *slot = key ? memo_find(owners, key) : NULL;
        if (slot == NULL) {
            failed = key ? memo_insert(owners, key, (int64_t)(position << NUMBER_BITS) + number + HALF) < 0 : 0;
        }
        else if (slot->value >> NUMBER_BITS != position) {
            int64_t first = (slot->value & ((1LL << NUMBER_BITS) - 1)) - HALF;
            joints[found++] = (Joint){number, slot->value >> NUMBER_BITS, first};
        }
    }
    PyObject *bytes = failed ? (PyErr_Occurred() ? NULL : PyErr_NoMemory()) : written(joints, found);
    PyMem_Free(joints);
    Py_DECREF(links);
    return bytes;
}

/* -- two of them: no table is made --------------------------------------------------------------------- */

static int
take_two(PyObject *const *arguments, Py_ssize_t count, Memo **one, Memo **other)
{
    *one = *other = NULL;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "takes the links of two");
        return -1;
    }
    *one = memo_from(arguments[0]);
    *other = *one == NULL ? NULL : memo_from(arguments[1]);
    if (*other == NULL) {
        Py_CLEAR(*one);
        return -1;
    }
    return 0;
}

/* meet(one, other): whether they have a link in common. */
PyObject *
links_meet(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    Memo *one, *other;
    if (take_two(arguments, count, &one, &other) < 0) {
        return NULL;
    }
    Memo *few = one->count <= other->count ? one : other, *many = few == one ? other : one;
    int meet = 0;
    for (size_t place = 0; !meet && few->mask && many->mask && place <= few->mask; place++) {
        meet = few->slots[place].key && memo_find(many, few->slots[place].key) != NULL;
    }
    Py_DECREF(one);
    Py_DECREF(other);
    return PyBool_FromLong(meet);
}

/* Numbers of a walk leave next to nothing out, and each is there once: then each has a place, and nothing is sorted.
 * NOT_PLAIN: it is not so.
 */
static int
write_by_place(Memo *first, const Memo *second, Buffer *out)
{
    int64_t places = 2 * (int64_t)second->count, *firsts = PyMem_Malloc((size_t)(places + 1) * sizeof(int64_t));
    size_t found = 0;
    int done = firsts == NULL ? FAILED : WRITTEN;
    for (int64_t place = 0; done == WRITTEN && place < places; place++) {
        firsts[place] = INT64_MIN;
    }
    for (size_t place = 0; done == WRITTEN && second->mask && place <= second->mask; place++) {
        Slot *slot = second->slots[place].key ? memo_find(first, second->slots[place].key) : NULL;
        int64_t number = second->slots[place].value;
        if (slot != NULL && (number < 0 || number >= places || firsts[number] != INT64_MIN)) {
            done = NOT_PLAIN;
        }
        else if (slot != NULL) {
            firsts[number] = slot->value;
            found++;
        }
    }
    if (done == WRITTEN && buffer_reserve(out, found * 20) < 0) {
        done = FAILED;
    }
    for (int64_t number = 0; done == WRITTEN && number < places; number++) {
        if (firsts[number] != INT64_MIN) {
            int failed = buffer_put_number(out, out->length ? '|' : 0, number, ':') < 0 || buffer_put(out, "0>", 2) < 0 ||
                         buffer_put_number(out, 0, firsts[number], ';') < 0;
            done = failed ? FAILED : WRITTEN;
        }
    }
    PyMem_Free(firsts);
    return done;
}

/* join_two(first, second): as `join` of the first, and what it then says of the second. */
PyObject *
links_join_two(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    Memo *first, *second;
    if (take_two(arguments, count, &first, &second) < 0) {
        return NULL;
    }
    Buffer out = {0};
    PyObject *bytes = NULL;
    int done = first->mask ? write_by_place(first, second, &out) : WRITTEN;
    if (done == WRITTEN) {
        bytes = PyBytes_FromStringAndSize(out.data, (Py_ssize_t)out.length);
    }
    Joint *joints = done == NOT_PLAIN ? PyMem_Malloc((size_t)(second->count + 1) * sizeof(Joint)) : NULL;
    if (joints != NULL) {
        Py_ssize_t found = 0;
        for (size_t place = 0; place <= second->mask; place++) {
            Slot *slot = second->slots[place].key ? memo_find(first, second->slots[place].key) : NULL;
            if (slot != NULL) {
                joints[found++] = (Joint){second->slots[place].value, 0, slot->value};
            }
        }
        bytes = written(joints, found);
    }
    else if (done != WRITTEN) {
        PyErr_NoMemory();
    }
    PyMem_Free(joints);
    buffer_free(&out);
    Py_DECREF(first);
    Py_DECREF(second);
    return bytes;
}
