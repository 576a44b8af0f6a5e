/* What some places held when they were read: a look tells whether they hold it still.
 *
 * Nothing is kept alive but atoms, and the objects whose places they are: whoever drops something else has dropped it.
 * Of what else is there, addresses are compared, and a weak reference says whether it is that very object. Containers
 * of Python's own are entered, unless they are places themselves; one is read only where another one that is the same
 * still leads to it.
 */
#include "native.h"

#define MOST_WORDS (1 << 16)

enum { CONTENT, NAMES, MEMORY };

typedef struct {
    PyObject *obj; /* strong of a place, borrowed of what was entered */
    PyTypeObject *kind;
    PyObject *names; /* strong: a tuple, an object and the names that are looked up in it; NULL: all that it holds */
    const char *memory;
    size_t length; /* bytes in `words` */
    unsigned long long version; /* of a dictionary; 0: not known */
    int how, place;
} Node;

typedef struct {
    PyObject_HEAD
    Buffer nodes, words, kept; /* `kept`: strong references, to atoms and weak references */
    Buffer leaves;             /* for each weak reference: the address of what it refers to */
    Buffer calls;              /* strong references: a function, its arguments, what it gave, and so on */
    Memo *seen;                /* while it is made */
} Watch;

static int
is_container(PyObject *obj)
{
    PyTypeObject *kind = obj == NULL ? NULL : Py_TYPE(obj);
    return kind == &PyDict_Type || kind == &PyList_Type || kind == &PyTuple_Type || kind == &PySet_Type || kind == &PyFrozenSet_Type;
}

/* Or of a class that derives from one of these. */
static int
holds_others(PyObject *obj)
{
    return PyDict_Check(obj) || PyList_Check(obj) || PyTuple_Check(obj) || PyAnySet_Check(obj);
}

static inline int
put(Buffer *into, PyObject *obj)
{
    return buffer_put(into, &obj, sizeof(obj));
}

/* What a container holds, borrowed. 0: it is none; -1: an error. */
static int
read_content(PyObject *obj, Buffer *into)
{
    int failed = 0;
    Py_ssize_t at = 0;
    PyObject *key, *value;
    if (PyDict_Check(obj)) {
        while (!failed && PyDict_Next(obj, &at, &key, &value)) {
            failed = put(into, key) < 0 || put(into, value) < 0;
        }
    }
    else if (PyList_Check(obj) || PyTuple_Check(obj)) {
        failed = buffer_put(into, PySequence_Fast_ITEMS(obj), (size_t)Py_SIZE(obj) * sizeof(PyObject *)) < 0;
    }
    else if (PyAnySet_Check(obj)) {
        while (!failed && (key = next_in((PySetObject *)obj, &at)) != NULL) {
            failed = put(into, key) < 0;
        }
    }
    else {
        return 0;
    }
    return failed ? -1 : 1;
}

/* What is bound to names in a dictionary, in a class itself, or among the attributes of an instance; NULL: nothing is. */
static int
read_names(PyObject *obj, PyObject *names, Buffer *into)
{
    Attributes found = {0};
    PyObject *dict = PyDict_Check(obj) ? obj : PyType_Check(obj) ? ((PyTypeObject *)obj)->tp_dict : NULL;
    if (dict == NULL && PyType_Check(obj)) {
        return 0;
    }
    if (dict == NULL) {
        int read = attributes_readable(Py_TYPE(obj)) ? attributes_read(obj, &found) : 0;
        if (read <= 0) {
            return read;
        }
        dict = found.dict;
    }
    int failed = 0;
    for (Py_ssize_t at = 1; !failed && at < PyTuple_GET_SIZE(names); at++) {
        PyObject *name = PyTuple_GET_ITEM(names, at), *value = NULL;
        if (dict != NULL) {
            value = PyDict_GetItemWithError(dict, name); /* a text: no code of anybody's runs */
            failed = value == NULL && PyErr_Occurred();
        }
        Py_ssize_t place = 0;
        while (place < found.count && found.names[place] != name) { /* nearly all are the one text of this content */
            place++;
        }
        for (Py_ssize_t other = 0; place == found.count && other < found.count; other++) {
            place = PyUnicode_Compare(found.names[other], name) == 0 ? other : place;
        }
        value = place < found.count ? found.values[place] : value;
        failed = failed || put(into, value) < 0;
    }
    Py_XDECREF(found.dict);
    return failed ? -1 : 1;
}

/* 1: it was read; 0: it cannot be; -1: an error. */
static int
read_node(Node *node, Buffer *into)
{
    into->length = 0;
    return node->how == NAMES ? read_names(node->obj, node->names, into) : read_content(node->obj, into);
}

static void
watch_dealloc(Watch *watch)
{
    for (size_t at = 0; at < watch->nodes.length / sizeof(Node); at++) {
        Node *node = (Node *)watch->nodes.data + at;
        if (node->place) {
            Py_DECREF(node->obj);
        }
        Py_XDECREF(node->names);
    }
    for (size_t at = 0; at < watch->kept.length / sizeof(PyObject *); at++) {
        Py_DECREF(((PyObject **)watch->kept.data)[at]);
    }
    for (size_t at = 0; at < watch->calls.length / sizeof(PyObject *); at++) {
        Py_DECREF(((PyObject **)watch->calls.data)[at]);
    }
    buffer_free(&watch->calls);
    buffer_free(&watch->nodes);
    buffer_free(&watch->words);
    buffer_free(&watch->kept);
    buffer_free(&watch->leaves);
    Py_CLEAR(watch->seen);
    Py_TYPE(watch)->tp_free(watch);
}

/* -- what functions give -------------------------------------------------------------------------------- */

/* Whether one is the other, or both consist of the same atoms. -1: an error. */
static int
is_same_result(PyObject *one, PyObject *other)
{
    if (one == other) {
        return 1;
    }
    if (Py_TYPE(one) != Py_TYPE(other)) {
        return 0;
    }
    if (plain_kind(one)) {
        return PyObject_RichCompareBool(one, other, Py_EQ);
    }
    if (!is_container(one) || PyAnySet_Check(one)) {
        return 0;
    }
    Buffer mine = {0}, its = {0};
    int same = read_content(one, &mine) < 0 || read_content(other, &its) < 0 ? -1 : mine.length == its.length;
    for (size_t at = 0; same > 0 && at < mine.length / sizeof(PyObject *); at++) {
        same = is_same_result(((PyObject **)mine.data)[at], ((PyObject **)its.data)[at]);
    }
    buffer_free(&mine);
    buffer_free(&its);
    return same;
}

/* Whether nothing but atoms is in a container; -1: an error. */
static int
holds_atoms(PyObject *container)
{
    Buffer held = {0};
    int only = read_content(container, &held);
    for (size_t at = 0; only > 0 && at < held.length / sizeof(PyObject *); at++) {
        PyObject *each = ((PyObject **)held.data)[at];
        only = plain_kind(each) ? 1 : is_container(each) ? holds_atoms(each) : 0;
    }
    buffer_free(&held);
    return only;
}

static PyObject *
called(PyObject *function, PyObject *arguments)
{
    PyObject *result = PyObject_Call(function, arguments, NULL);
    if (result != NULL && PyDict_CheckExact(result)) { /* it may be the one that others change */
        Py_SETREF(result, PyDict_Copy(result));
    }
    return result;
}

/* As `meet`: what stands in a container would be kept alive. */
static int
add_call(Watch *watch, PyObject *function, PyObject *arguments)
{
    PyObject *call[] = {function, arguments, called(function, arguments)};
    int met = call[2] == NULL ? -1 : is_container(call[2]) ? holds_atoms(call[2]) : 1;
    if (met > 0 && buffer_put(&watch->calls, call, sizeof(call)) < 0) {
        met = -1;
    }
    if (met <= 0) {
        Py_XDECREF(call[2]);
        return met;
    }
    Py_INCREF(function);
    Py_INCREF(arguments);
    return 1;
}

/* They come first: what was borrowed would not outlive a call. */
static int
are_same_results(Watch *watch)
{
    PyObject **calls = (PyObject **)watch->calls.data;
    for (size_t at = 0; at < watch->calls.length / sizeof(PyObject *); at += 3) {
        PyObject *result = PyObject_Call(calls[at], calls[at + 1], NULL);
        int same = result == NULL ? -1 : is_same_result(result, calls[at + 2]);
        Py_XDECREF(result);
        if (same <= 0) {
            return same;
        }
    }
    return 1;
}

/* -- making one: what is met is alive, since who calls holds the places, and no code runs ------------------- */

static int
keep(Watch *watch, PyObject *obj, PyObject *leaf)
{
    if (put(&watch->kept, obj) < 0 || put(&watch->leaves, leaf) < 0) {
        watch->kept.length = watch->leaves.length; /* the same number of each */
        return -1;
    }
    Py_INCREF(obj);
    return 1;
}

/* 1: it will be known again; 0: it would not; -1: an error. */
static int
meet(Watch *watch, PyObject *obj)
{
    if (obj == NULL || obj == Py_None || memo_find(watch->seen, (uintptr_t)obj) != NULL) {
        return 1;
    }
    if (memo_insert(watch->seen, (uintptr_t)obj, 0) < 0) {
        return -1;
    }
    if (plain_kind(obj)) {
        return keep(watch, obj, NULL);
    }
    if (is_container(obj)) {
        Node node = {.obj = obj, .kind = Py_TYPE(obj), .how = CONTENT};
        return buffer_put(&watch->nodes, &node, sizeof(node)) < 0 ? -1 : 1;
    }
    if (holds_others(obj)) { /* who reads it reads what it holds, as its class says */
        return 0;
    }
    if (!PyType_SUPPORTS_WEAKREFS(Py_TYPE(obj))) {
        return PyType_HasFeature(Py_TYPE(obj), Py_TPFLAGS_HEAPTYPE) ? 0 : keep(watch, obj, NULL);
    }
    PyObject *weak = PyWeakref_NewRef(obj, NULL);
    int kept = weak == NULL ? -1 : keep(watch, weak, obj);
    Py_XDECREF(weak);
    return kept;
}

static int
meet_all(Watch *watch)
{
    Buffer read = {0};
    int met = 1;
    for (size_t at = 0; met > 0 && at < watch->nodes.length / sizeof(Node); at++) {
        Node *node = (Node *)watch->nodes.data + at;
        if (node->how == MEMORY) {
            met = buffer_put(&watch->words, node->memory, node->length) < 0 ? -1 : 1;
            continue;
        }
        met = read_node(node, &read);
        node->version = PyDict_Check(node->obj) ? dict_version(node->obj) : 0;
        int by_version = node->how == CONTENT && node->version; /* as long as it is the same, all of it is there */
        node->length = by_version ? 0 : read.length;
        if (met > 0 && watch->words.length + node->length > MOST_WORDS * sizeof(PyObject *)) {
            met = 0;
        }
        if (met > 0 && buffer_put(&watch->words, read.data, node->length) < 0) {
            met = -1;
        }
        for (size_t word = 0; met > 0 && word < read.length / sizeof(PyObject *); word++) {
            PyObject *each = ((PyObject **)read.data)[word];
            met = by_version && !holds_others(each) ? 1 : meet(watch, each); /* may move the nodes */
        }
    }
    buffer_free(&read);
    return met;
}

static int
add_place(Watch *watch, PyObject *part)
{
    Node node = {.place = 1};
    if (!PyTuple_CheckExact(part)) {
        node.obj = part;
    }
    else if (PyTuple_GET_SIZE(part) == 3 && PyLong_CheckExact(PyTuple_GET_ITEM(part, 1))) {
        node.how = MEMORY;
        node.obj = PyTuple_GET_ITEM(part, 0);
        node.memory = PyLong_AsVoidPtr(PyTuple_GET_ITEM(part, 1));
        node.length = PyLong_AsSize_t(PyTuple_GET_ITEM(part, 2));
    }
    else if (PyTuple_GET_SIZE(part) > 1) {
        node.how = NAMES;
        node.obj = PyTuple_GET_ITEM(part, 0);
        for (Py_ssize_t at = 1; at < PyTuple_GET_SIZE(part); at++) {
            if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(part, at))) {
                PyErr_SetString(PyExc_TypeError, "names are texts");
            }
        }
    }
    else {
        PyErr_SetString(PyExc_TypeError, "a tuple is an object and names, or memory");
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    node.kind = Py_TYPE(node.obj);
    int is_new = memo_find(watch->seen, (uintptr_t)node.obj) == NULL; /* where another place leads to it, it is not entered */
    if ((is_new && memo_insert(watch->seen, (uintptr_t)node.obj, 0) < 0) || buffer_put(&watch->nodes, &node, sizeof(node)) < 0) {
        return -1;
    }
    Py_INCREF(node.obj);
    if (node.how == NAMES) {
        ((Node *)(watch->nodes.data + watch->nodes.length) - 1)->names = Py_NewRef(part);
    }
    return 1;
}

/* watch(parts): a Watch; None where something in them would not be known again. */
PyObject *
watch_parts(PyObject *Py_UNUSED(module), PyObject *parts)
{
    if (!PyList_CheckExact(parts)) {
        PyErr_SetString(PyExc_TypeError, "watch takes a list");
        return NULL;
    }
    Watch *watch = (Watch *)WatchType.tp_alloc(&WatchType, 0);
    if (watch == NULL) {
        return NULL;
    }
    watch->seen = (Memo *)MemoType.tp_alloc(&MemoType, 0);
    int collects = PyGC_Disable(); /* a collection runs code, and frees what was met */
    int met = watch->seen == NULL ? -1 : 1;
    for (Py_ssize_t at = 0; met > 0 && at < PyList_GET_SIZE(parts); at++) {
        PyObject *part = PyList_GET_ITEM(parts, at);
        int is_call = PyTuple_CheckExact(part) && PyTuple_GET_SIZE(part) == 2 && PyTuple_CheckExact(PyTuple_GET_ITEM(part, 1));
        if (is_call && !PyCFunction_Check(PyTuple_GET_ITEM(part, 0))) {
            PyErr_SetString(PyExc_TypeError, "only functions that are made in C are called");
            met = -1;
        }
        else {
            met = is_call ? add_call(watch, PyTuple_GET_ITEM(part, 0), PyTuple_GET_ITEM(part, 1)) : add_place(watch, part);
        }
    }
    met = met > 0 ? meet_all(watch) : met;
    if (collects) {
        PyGC_Enable();
    }
    Py_CLEAR(watch->seen);
    if (met > 0) {
        return (PyObject *)watch;
    }
    Py_DECREF(watch);
    return met < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- looking again -------------------------------------------------------------------------------------- */

static int
is_same(Watch *watch)
{
    const char *expected = watch->words.data;
    Buffer read = {0};
    int same = are_same_results(watch);
    for (size_t at = 0; same > 0 && at < watch->nodes.length / sizeof(Node); at++) {
        Node *node = (Node *)watch->nodes.data + at;
        if (node->how == MEMORY) {
            same = memcmp(node->memory, expected, node->length) == 0;
        }
        else if (Py_TYPE(node->obj) != node->kind) {
            same = 0;
        }
        else if (node->version && (node->how == CONTENT || dict_version(node->obj) == node->version)) {
            same = dict_version(node->obj) == node->version;
        }
        else {
            same = read_node(node, &read);
            same = same <= 0 ? same : read.length == node->length && (!read.length || memcmp(read.data, expected, read.length) == 0);
        }
        expected += node->length;
    }
    buffer_free(&read);
    PyObject **leaves = (PyObject **)watch->leaves.data, **kept = (PyObject **)watch->kept.data;
    for (size_t at = 0; same > 0 && at < watch->leaves.length / sizeof(PyObject *); at++) {
        same = leaves[at] == NULL || PyWeakref_GET_OBJECT(kept[at]) == leaves[at];
    }
    return same;
}

static int
holds(Watch *watch)
{
    int same = is_same(watch);
    if (same < 0 && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();
        same = 0;
    }
    return same;
}

/* broken(watches): the places of those that do not hold. */
PyObject *
watch_broken(PyObject *Py_UNUSED(module), PyObject *watches)
{
    if (!PyList_CheckExact(watches)) {
        PyErr_SetString(PyExc_TypeError, "broken takes a list");
        return NULL;
    }
    PyObject *found = PyList_New(0);
    for (Py_ssize_t at = 0; found != NULL && at < PyList_GET_SIZE(watches); at++) {
        PyObject *watch = Py_NewRef(PyList_GET_ITEM(watches, at));
        int same = Py_TYPE(watch) == &WatchType ? holds((Watch *)watch) : 0;
        Py_DECREF(watch);
        PyObject *place = same == 0 ? PyLong_FromSsize_t(at) : NULL;
        if (same < 0 || (same == 0 && (place == NULL || PyList_Append(found, place) < 0))) {
            Py_CLEAR(found);
        }
        Py_XDECREF(place);
    }
    return found;
}

/* holds(): whether all is as it was. What a function raises that is asked says that it is not. */
static PyObject *
watch_holds(Watch *watch, PyObject *Py_UNUSED(nothing))
{
    int same = holds(watch);
    return same < 0 ? NULL : PyBool_FromLong(same);
}

static PyMethodDef methods[] = {
    {"holds", (PyCFunction)watch_holds, METH_NOARGS, "Whether all is as it was."},
    {NULL},
};

PyTypeObject WatchType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "walker.Watch",
    .tp_doc = "What some places held when they were read.",
    .tp_basicsize = sizeof(Watch),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = (destructor)watch_dealloc,
    .tp_methods = methods,
};
