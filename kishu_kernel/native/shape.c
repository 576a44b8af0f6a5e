/* What was reachable from an object when it was walked: it is known again by one look at each of these objects.
 *
 * No object is kept alive but atoms: an object is read only where another one that is the same still leads to it, so it
 * is there. At its address may be another one; then that shows the very same as the one that was walked, whose digest
 * goes by what is shown, and whose links go by addresses.
 *
 * What is met is held until all is: Python is asked of classes meanwhile. Then it is let go, before the walk: that goes by
 * who holds attributes. Whether all is the same after the walk is asked anew (`seal`).
 */
#include "native.h"

#define HELD_BYTES (32 << 10)
#define WORDS_BYTES (SHAPE_WORDS * (Py_ssize_t)sizeof(uintptr_t))

typedef struct {
    PyObject *obj; /* borrowed; atoms are not among them. Of code: the weak reference is in `codes` */
    PyTypeObject *kind;
    size_t length; /* bytes in `words` */
    int shown;
} Node;

typedef struct {
    PyObject_HEAD
    Node *nodes;
    Py_ssize_t count;
    Memo *seen; /* all that was met */
    Buffer words, held;
    PyObject *codes; /* a list of weak references, in the order of their nodes; NULL: they are in `held` yet */
    size_t held_bytes;
} Shape;

static void
release_held(Shape *shape)
{
    PyObject **held = (PyObject **)shape->held.data;
    size_t count = shape->held.length / sizeof(PyObject *);
    shape->held.length = 0;
    for (size_t place = 0; place < count; place++) {
        Py_DECREF(held[place]);
    }
}

static void
shape_dealloc(Shape *shape)
{
    release_held(shape);
    Py_CLEAR(shape->codes);
    Py_CLEAR(shape->seen);
    PyMem_Free(shape->nodes);
    buffer_free(&shape->words);
    buffer_free(&shape->held);
    Py_TYPE(shape)->tp_free(shape);
}

static size_t
size_of_atom(PyObject *atom)
{
    return PyUnicode_CheckExact(atom) ? (size_t)PyUnicode_GET_LENGTH(atom) : 8 * (size_t)Py_ABS(Py_SIZE(atom));
}

/* Whether the module that a class says it is of has it under its name. */
static int
is_genuine(PyTypeObject *cls, PyObject *home)
{
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed, as all that follows */
    int is_named = modules != NULL && PyDict_CheckExact(modules) && PyUnicode_CheckExact(((PyHeapTypeObject *)cls)->ht_qualname);
    PyObject *module = !is_named ? NULL : PyDict_GetItemWithError(modules, home);
    PyObject *names = module == NULL || !PyModule_Check(module) ? NULL : PyModule_GetDict(module);
    PyObject *found = names == NULL ? NULL : PyDict_GetItemWithError(names, ((PyHeapTypeObject *)cls)->ht_qualname);
    return found == (PyObject *)cls;
}

/* Whether a class is walked: one of the notebook's, if Python knows no token by which it goes, and one that was made at
 * run time. As `meet`.
 */
static int
asked(PyObject *is_whole, PyObject *cls)
{
    PyObject *home = home_of_class((PyTypeObject *)cls);
    if (home == NULL || !PyUnicode_CheckExact(home)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (PyUnicode_CompareWithASCIIString(home, "__main__") != 0) {
        int genuine = is_genuine((PyTypeObject *)cls, home);
        return PyErr_Occurred() ? -1 : !genuine;
    }
    PyObject *answer = PyObject_CallOneArg(is_whole, cls);
    int whole = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return whole;
}

/* 1: it is met, or was met before; 0: it cannot be known again; -1: an error. */
static int
meet(Shape *shape, PyObject *obj, PyObject *is_whole)
{
    if (obj == Py_None || memo_find(shape->seen, (uintptr_t)obj) != NULL) {
        return 1;
    }
    int shown = shown_kind(obj);
    if (shown == SHOWN_NOTHING) {
        return 1;
    }
    if (shown == SHOWN_NOT || memo_insert(shape->seen, (uintptr_t)obj, shape->seen->count) < 0) {
        return shown == SHOWN_NOT ? 0 : -1;
    }
    if (shown == SHOWN_ATOM || shown == SHOWN_CODE) {
        shape->held_bytes += shown == SHOWN_ATOM && !PyFloat_CheckExact(obj) && !PyComplex_CheckExact(obj) ? size_of_atom(obj) : 0;
        if (shape->held_bytes > HELD_BYTES || buffer_put(&shape->held, &obj, sizeof(obj)) < 0) {
            return PyErr_Occurred() ? -1 : 0;
        }
        Py_INCREF(obj);
    }
    if (shown == SHOWN_ATOM) {
        return 1;
    }
    if (shape->count == SHAPE_NODES) {
        return 0;
    }
    shape->nodes[shape->count++] = (Node){Py_NewRef(obj), Py_TYPE(obj), 0, shown};
    if (shown == SHOWN_CLASS) {
        int whole = shape->count == 1 ? 1 : asked(is_whole, obj);
        shape->nodes[shape->count - 1].shown = whole > 0 ? SHOWN_WHOLE : shown;
        return whole < 0 ? -1 : 1;
    }
    return 1;
}

/* Reads one object after the other; those to which they lead come after them. As `meet`. */
static int
meet_all(Shape *shape, Shown *into, PyObject *root, PyObject *is_whole)
{
    int met = meet(shape, root, is_whole);
    for (Py_ssize_t place = 0; met > 0 && place < shape->count; place++) {
        Node *node = &shape->nodes[place];
        if (node->shown == SHOWN_CODE) {
            continue;
        }
        into->words.length = into->children.length = 0;
        met = shown_read(node->obj, node->shown, into);
        if (met > 0 && (into->shared || shape->words.length + into->words.length > (size_t)WORDS_BYTES)) {
            met = 0;
        }
        node->length = into->words.length;
        if (met > 0 && buffer_put(&shape->words, into->words.data, into->words.length) < 0) {
            met = -1;
        }
        PyObject **children = (PyObject **)into->children.data;
        for (size_t child = 0; met > 0 && child < into->children.length / sizeof(PyObject *); child++) {
            met = meet(shape, children[child], is_whole);
        }
    }
    for (Py_ssize_t place = 0; place < shape->count; place++) {
        Py_DECREF(shape->nodes[place].obj); /* it was held while Python was asked */
    }
    return met;
}

/* shape(obj, is_whole): a Shape; None where something in it cannot be known again. */
PyObject *
shape_of(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "shape takes an object, and who says of a class whether it is walked");
        return NULL;
    }
    Shape *shape = (Shape *)ShapeType.tp_alloc(&ShapeType, 0);
    if (shape == NULL) {
        return NULL;
    }
    Shown into = {{0}, {0}, 0};
    shape->seen = (Memo *)MemoType.tp_alloc(&MemoType, 0);
    shape->nodes = PyMem_Malloc(SHAPE_NODES * sizeof(Node));
    if (shape->nodes == NULL) {
        PyErr_NoMemory();
    }
    int met = shape->seen == NULL || shape->nodes == NULL ? -1 : meet_all(shape, &into, args[0], args[1]);
    buffer_free(&into.words);
    buffer_free(&into.children);
    if (met > 0 && shape->count > 0) {
        Node *nodes = PyMem_Realloc(shape->nodes, (size_t)(shape->count + 1) * sizeof(Node));
        shape->nodes = nodes == NULL ? shape->nodes : nodes;
        return (PyObject *)shape;
    }
    Py_DECREF(shape);
    return met < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- looking again -------------------------------------------------------------------------------------- */

static int
is_code(Shape *shape, PyObject *obj, Py_ssize_t number)
{
    return shape->codes == NULL || (number < PyList_GET_SIZE(shape->codes) &&
                                    PyWeakref_GET_OBJECT(PyList_GET_ITEM(shape->codes, number)) == obj);
}

/* Whether an object shows what the one showed that was met, and so does all that it leads to; -1: an error. */
static int
is_same(Shape *shape, PyObject *obj, int *shared)
{
    Shown into = {{0}, {0}, 0};
    const char *expected = shape->words.data;
    Py_ssize_t codes = 0;
    int same = shape->count > 0 && shape->nodes[0].obj == obj;
    for (Py_ssize_t place = 0; same > 0 && place < shape->count; place++) {
        Node *node = &shape->nodes[place];
        if (Py_TYPE(node->obj) != node->kind) {
            same = 0;
        }
        else if (node->shown == SHOWN_CODE) {
            same = is_code(shape, node->obj, codes++);
        }
        else {
            into.words.length = into.children.length = 0;
            same = shown_read(node->obj, node->shown, &into);
            same = same <= 0 ? same : into.words.length == node->length && memcmp(into.words.data, expected, node->length) == 0;
            expected += node->length;
        }
    }
    buffer_free(&into.words);
    buffer_free(&into.children);
    *shared = into.shared;
    return same;
}

/* holds(obj): whether all is as it was. */
static PyObject *
shape_holds(Shape *shape, PyObject *obj)
{
    int shared, same = is_same(shape, obj, &shared);
    return same < 0 ? NULL : PyBool_FromLong(same && !shared);
}

/* -- what Python asks of it ------------------------------------------------------------------------------ */

/* Keeps code alive no longer: a weak reference tells whether it is there. */
static int
let_go_of_code(Shape *shape)
{
    shape->codes = PyList_New(0);
    for (Py_ssize_t place = 0; shape->codes != NULL && place < shape->count; place++) {
        if (shape->nodes[place].shown == SHOWN_CODE) {
            PyObject *reference = PyWeakref_NewRef(shape->nodes[place].obj, NULL);
            if (reference == NULL || PyList_Append(shape->codes, reference) < 0) {
                Py_CLEAR(shape->codes);
            }
            Py_XDECREF(reference);
        }
    }
    PyObject **held = (PyObject **)shape->held.data;
    size_t kept = 0, count = shape->held.length / sizeof(PyObject *);
    for (size_t place = 0; shape->codes != NULL && place < count; place++) {
        if (PyCode_Check(held[place])) {
            Py_DECREF(held[place]);
        }
        else {
            held[kept++] = held[place];
        }
    }
    shape->held.length = shape->codes == NULL ? shape->held.length : kept * sizeof(PyObject *);
    return shape->codes == NULL ? -1 : 0;
}

static int
note_kind(PyObject *kinds, PyTypeObject *kind)
{
    Py_ssize_t known = PyList_GET_SIZE(kinds);
    while (known > 0 && PyList_GET_ITEM(kinds, known - 1) != (PyObject *)kind) {
        known--;
    }
    return known == 0 ? PyList_Append(kinds, (PyObject *)kind) : 0;
}

/* Classes but for the root, classes of instances, functions that have other globals, types of what is made in C, modules. */
static PyObject *
doubtful(Shape *shape, PyObject *namespace)
{
    PyObject *classes = PyList_New(0), *kinds = PyList_New(0), *functions = PyList_New(0), *made = PyList_New(0);
    PyObject *modules = PyList_New(0);
    int failed = classes == NULL || kinds == NULL || functions == NULL || made == NULL || modules == NULL;
    for (Py_ssize_t place = 0; !failed && place < shape->count; place++) {
        Node *node = &shape->nodes[place];
        if (node->shown == SHOWN_CLASS || node->shown == SHOWN_WHOLE) {
            failed = place > 0 && PyList_Append(classes, node->obj) < 0;
        }
        else if ((node->shown == SHOWN_NODE || node->shown == SHOWN_NAMED) && PyType_HasFeature(node->kind, Py_TPFLAGS_HEAPTYPE)) {
            failed = note_kind(kinds, node->kind) < 0;
        }
        else if (node->shown == SHOWN_MADE_IN_C) {
            failed = note_kind(made, node->kind) < 0;
        }
        else if (node->shown == SHOWN_MODULE) {
            failed = PyList_Append(modules, node->obj) < 0;
        }
        else if (PyFunction_Check(node->obj) && PyFunction_GET_GLOBALS(node->obj) != namespace) {
            failed = PyList_Append(functions, node->obj) < 0;
        }
    }
    PyObject *found = failed ? NULL : PyTuple_Pack(5, classes, kinds, functions, made, modules);
    Py_XDECREF(classes);
    Py_XDECREF(kinds);
    Py_XDECREF(functions);
    Py_XDECREF(made);
    Py_XDECREF(modules);
    return found;
}

/* The links, where objects that the walk has made have keys that are no addresses, and nobody else's: at their addresses
 * will be others. They count where several names have these very links.
 */
static PyObject *
own_links(Shape *shape, PyObject *links)
{
    static uintptr_t unused = 1; /* no object has an odd address */
    Memo *all = memo_from(links), *own = all == NULL ? NULL : (Memo *)MemoType.tp_alloc(&MemoType, 0);
    int failed = own == NULL;
    for (size_t place = 0; !failed && all->mask && place <= all->mask; place++) {
        Slot *slot = &all->slots[place];
        if (slot->key) {
            int met = memo_find(shape->seen, slot->key) != NULL;
            failed = memo_insert(own, met ? slot->key : (unused += 2), slot->value) < 0;
        }
    }
    Py_XDECREF(all);
    if (failed) {
        Py_CLEAR(own);
    }
    return (PyObject *)own;
}

/* seal(obj, links, namespace): after the walk, once. None: something is not as it was. Else links that can be kept, and
 * what only Python can tell whether it goes by what it shows (`doubtful`).
 */
static PyObject *
shape_seal(Shape *shape, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || shape->codes != NULL) {
        PyErr_SetString(PyExc_TypeError, "seal takes an object, links and a namespace, once");
        return NULL;
    }
    int shared, collects = PyGC_Disable(); /* a collection runs code, and frees what was met */
    int same = is_same(shape, args[0], &shared); /* the walk still holds what it was told */
    PyObject *own = NULL, *rest = NULL, *found = NULL;
    if (same > 0) {
        own = own_links(shape, args[1]);
        rest = own == NULL || let_go_of_code(shape) < 0 ? NULL : doubtful(shape, args[2]);
        found = rest == NULL ? NULL : PyTuple_Pack(2, own, rest);
    }
    else if (same == 0) {
        found = Py_NewRef(Py_None);
    }
    Py_XDECREF(own);
    Py_XDECREF(rest);
    Py_CLEAR(shape->seen);
    if (collects) {
        PyGC_Enable();
    }
    return found;
}

static PyMethodDef methods[] = {
    {"holds", (PyCFunction)shape_holds, METH_O, "Whether all is as it was."},
    {"seal", (PyCFunction)(void (*)(void))shape_seal, METH_FASTCALL, "Whether all is as before the walk, and what to ask."},
    {NULL},
};

PyTypeObject ShapeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "walker.Shape",
    .tp_doc = "What was reachable from an object when it was walked.",
    .tp_basicsize = sizeof(Shape),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = (destructor)shape_dealloc,
    .tp_methods = methods,
};
