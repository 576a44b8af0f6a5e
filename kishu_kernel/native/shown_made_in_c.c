/* What objects of some of Python's own types show that are made in C: locks, queues, dictionaries that make what they lack,
 * weak references, caches of functions, and the fields of named tuples.
 *
 * Most show the words that they consist of, but for the list of weak references to them: whatever is done with one of
 * them changes some. (In doubt more than a walk reads: then it is walked.) And what they refer to, which is read in turn.
 */
#include "native.h"
#include <structmember.h>

enum { WORDS = 1, QUEUE, DEFAULTS, REFERENCE, CACHE, ENTRY };

typedef struct {
    const char *module, *name;
    int how;
    PyTypeObject *kind;
} Made;

static Made made[] = {
    {"_thread", "RLock", WORDS, NULL},
    {"_thread", "LockType", WORDS, NULL},
    {"_collections", "_tuplegetter", QUEUE, NULL},
    {"_collections", "deque", QUEUE, NULL},
    {"_collections", "defaultdict", DEFAULTS, NULL},
    {"weakref", "ReferenceType", REFERENCE, NULL},
    {"functools", "_lru_cache_wrapper", CACHE, NULL},
};

static PyTypeObject *cache_info; /* the class of what `cache_info` gives: each cache refers to it */

static PyTypeObject *
type_in(const char *module, const char *name)
{
    PyObject *holder = PyImport_ImportModule(module), *found = holder == NULL ? NULL : PyObject_GetAttrString(holder, name);
    Py_XDECREF(holder);
    if (found == NULL || !PyType_Check(found)) {
        PyErr_Clear(); /* another Python: it is not known there */
        Py_CLEAR(found);
    }
    return (PyTypeObject *)found; /* for good */
}

/* Finds these types, before any code of the notebook's can put others in their places. */
void
made_in_c_begin(void)
{
    for (size_t place = 0; place < sizeof(made) / sizeof(*made); place++) {
        made[place].kind = type_in(made[place].module, made[place].name);
    }
    cache_info = type_in("functools", "_CacheInfo");
}

/* What holds a result in the cache of a function. No class in Python has this name and no derived ones. */
static int
is_entry(PyTypeObject *kind)
{
    return !PyType_HasFeature(kind, Py_TPFLAGS_BASETYPE) && strcmp(kind->tp_name, "functools._lru_list_elem") == 0;
}

static int
how_made(PyTypeObject *kind)
{
    for (size_t place = 0; place < sizeof(made) / sizeof(*made); place++) {
        if (made[place].kind == kind) {
            return made[place].how;
        }
    }
    return is_entry(kind) ? ENTRY : 0;
}

int
is_made_in_c(PyTypeObject *kind)
{
    return how_made(kind) != 0;
}

/* All words of an object but for its kind, and for what refers to it weakly. */
static int
put_words(Shown *into, PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
    int failed = 0;
    for (Py_ssize_t place = sizeof(PyObject); !failed && place + (Py_ssize_t)sizeof(uintptr_t) <= kind->tp_basicsize; place += sizeof(uintptr_t)) {
        if (place != kind->tp_weaklistoffset) {
            failed = shown_put_word(into, *(uintptr_t *)((char *)obj + place)) < 0;
        }
    }
    return failed ? -1 : 1;
}

typedef struct {
    Shown *into;
    PyTypeObject *kind;
    PyObject *attributes; /* borrowed; NULL: it has none */
} Referents;

static int
put_referent(PyObject *obj, void *argument)
{
    Referents *of = argument;
    if (of->into->words.length > SHAPE_WORDS * sizeof(uintptr_t)) {
        return 1; /* too much to be read */
    }
    if (obj == (PyObject *)of->kind || obj == (PyObject *)cache_info || Py_TYPE(obj) == &PyBaseObject_Type ||
        (PyType_Check(obj) && is_entry((PyTypeObject *)obj))) {
        return shown_put_word(of->into, (uintptr_t)obj); /* it stays what it is */
    }
    return obj == of->attributes ? shown_put_attributes(of->into, obj) : shown_put_object(of->into, obj);
}

/* As `made_in_c_read`. */
static int
put_referents(Shown *into, PyObject *obj)
{
    PyObject **attributes = Py_TYPE(obj)->tp_dictoffset > 0 ? (PyObject **)((char *)obj + Py_TYPE(obj)->tp_dictoffset) : NULL;
    Referents of = {into, Py_TYPE(obj), attributes == NULL ? NULL : *attributes};
    int stopped = Py_TYPE(obj)->tp_traverse(obj, put_referent, &of);
    return stopped < 0 ? -1 : !stopped;
}

/* The function that a dictionary calls for what it lacks is what its kind tells the collector beside the content. */
static int
put_defaults(Shown *into, PyObject *obj)
{
    PyObject *key, *value, *makes = NULL;
    Py_ssize_t place = 0;
    for (PyMemberDef *member = Py_TYPE(obj)->tp_members; member != NULL && member->name != NULL; member++) {
        makes = strcmp(member->name, "default_factory") == 0 ? *(PyObject **)((char *)obj + member->offset) : makes;
    }
    int failed = shown_put_object(into, makes) < 0;
    while (!failed && PyDict_Next(obj, &place, &key, &value)) {
        failed = shown_put_object(into, key) < 0 || shown_put_object(into, value) < 0;
    }
    return failed ? -1 : 1;
}

static int
put_reference(Shown *into, PyObject *obj)
{
    PyWeakReference *reference = (PyWeakReference *)obj; /* its neighbours are not its own business */
    return shown_put_object(into, PyWeakref_GET_OBJECT(obj)) < 0 || shown_put_object(into, reference->wr_callback) < 0 ? -1 : 1;
}

/* 1: it was read; 0: it cannot be; -1: an error. */
int
made_in_c_read(PyObject *obj, Shown *into)
{
    switch (how_made(Py_TYPE(obj))) {
    case DEFAULTS:
        return put_defaults(into, obj);
    case REFERENCE:
        return put_reference(into, obj);
    case QUEUE:
    case CACHE:
        return put_words(into, obj) < 0 ? -1 : put_referents(into, obj);
    default: /* an entry tells its cache what it holds */
        return put_words(into, obj);
    }
}
