/* What a pickler asks first for each object (codec/usual_instances.py): what is usual is answered here, most of a figure
 * is. The rest is asked of Python.
 *
 * Law: the answers are those of Python, so that the stream is the same; in doubt Python is asked.
 */
#include "native.h"

#include <stddef.h>

#define DTYPES 8

/* How instances of a type are answered for. The numbers are Python's, too. */
enum { ASK = 0, PASS = 1, ATTRIBUTES = 2, STATE = 3, LIBRARY = 4, ARRAY = 5, METHOD = 6, HELD = 7 };

static const char *const ways[] = {"__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"};

typedef struct {
    PyObject_HEAD
    PyObject *ask, *learn, *whole; /* what Python answers; how a type is answered for; what is not usual */
    PyObject *kinds;       /* type -> number */
    PyObject *by_place, *private; /* ids of objects with a way of their own */
    PyObject *reduce, *with_left, *load_array;
    PyObject *arrays;  /* id -> (array, first address, last): those that were answered for; None: Python is asked for all */
    PyObject *others;  /* ids of arrays that were not */
    PyObject *methods; /* (type, function) -> True: such methods are passed over */
    PyObject *dtypes[DTYPES];
    char of_numbers[DTYPES];
    int dtypes_count;
    Py_ssize_t in_band;
    vectorcallfunc call;
} Override;

static int
has_id(PyObject *among, PyObject *obj)
{
    if (!PyDict_GET_SIZE(among)) {
        return 0;
    }
    PyObject *key = PyLong_FromVoidPtr(obj);
    int found = key == NULL ? -1 : PyDict_Contains(among, key);
    Py_XDECREF(key);
    return found;
}

/* A reduction that makes it empty and fills it: takes over `state`. */
static PyObject *
made_empty(PyObject *obj, PyObject *state)
{
    PyObject *arguments = state == NULL ? NULL : PyTuple_Pack(1, (PyObject *)Py_TYPE(obj));
    PyObject *found = arguments == NULL ? NULL : PyTuple_Pack(5, copyreg_newobj, arguments, state, Py_None, Py_None);
    Py_XDECREF(arguments);
    Py_XDECREF(state);
    return found;
}

/* Whether an instance says of itself how it is taken apart: 1, 0, or -1 for an error. */
static int
says_itself(PyObject *attributes)
{
    int says = 0;
    for (size_t place = 0; !says && place < sizeof(ways) / sizeof(*ways); place++) {
        PyObject *name = PyUnicode_InternFromString(ways[place]);
        says = name == NULL ? -1 : PyDict_Contains(attributes, name);
        Py_XDECREF(name);
    }
    return says;
}

/* Passed over, where nothing else may hold its attributes. One without any has a `__dict__` once Python was asked, and is another
 * one to a pickler then (`functools.partial`): so it is asked. NULL without an error, here and below: Python is to be asked. */
static PyObject *
if_held_alone(PyObject *obj)
{
    Attributes found;
    int alone = attributes_read(obj, &found) > 0 && !found.shared && (found.dict != NULL || attributes_are_inline(obj));
    Py_XDECREF(found.dict);
    return alone ? Py_NewRef(Py_NotImplemented) : NULL;
}

static PyObject *
by_attributes(PyObject *obj)
{
    if (!attributes_are_inline(obj)) {
        return if_held_alone(obj);
    }
    PyObject *state = attributes_peek(NULL, obj); /* a pickler would make its `__dict__` */
    if (state == NULL || state == Py_None || says_itself(state)) {
        Py_XDECREF(state);
        return NULL;
    }
    if (!PyDict_GET_SIZE(state)) {
        Py_SETREF(state, Py_NewRef(Py_None));
    }
    return made_empty(obj, state);
}

static PyObject *
by_state(Override *self, PyObject *obj)
{
    PyObject *left = NULL, *state = state_told_by(obj, &left);
    if (state == NULL || state == Py_None) {
        Py_XDECREF(left);
        Py_XDECREF(state);
        return state == NULL ? NULL : PyObject_CallOneArg(self->whole, obj);
    }
    PyObject *found = made_empty(obj, state);
    if (found != NULL && left != NULL) {
        Py_SETREF(found, PyObject_CallFunctionObjArgs(self->with_left, obj, found, left, NULL));
    }
    Py_XDECREF(left);
    return found;
}

static PyObject *
by_library(Override *self, PyObject *obj, PyObject *rule)
{
    Attributes found;
    int alone = attributes_read(obj, &found) > 0 && !found.shared;
    Py_XDECREF(found.dict);
    PyObject *reduction = alone && rule != NULL ? reduction_by_rule(obj, rule) : NULL;
    if (reduction == NULL) {
        PyErr_Clear();
        reduction = alone ? PyObject_CallOneArg(self->reduce, obj) : NULL;
    }
    if (reduction == Py_NotImplemented) {
        Py_CLEAR(reduction);
    }
    return reduction;
}

/* Whether arrays of it are numbers and nothing else: 1, 0, or -1 for an error. */
static int
is_of_numbers(Override *self, PyObject *dtype)
{
    for (int place = 0; place < self->dtypes_count; place++) {
        if (self->dtypes[place] == dtype) {
            return self->of_numbers[place];
        }
    }
    PyObject *kind = PyObject_GetAttrString(dtype, "kind");
    int found = kind == NULL ? -1 : PyUnicode_Check(kind) && PyUnicode_GET_LENGTH(kind) == 1 && strchr("biufc", (int)PyUnicode_READ_CHAR(kind, 0)) != NULL;
    Py_XDECREF(kind);
    if (found >= 0 && self->dtypes_count < DTYPES) {
        self->of_numbers[self->dtypes_count] = (char)found;
        self->dtypes[self->dtypes_count++] = Py_NewRef(dtype);
    }
    return found;
}

/* Whether it holds its memory, or an array does that was not met: 1, 0, or -1 for an error. */
static int
is_apart(Override *self, PyObject *array)
{
    PyObject *root = Py_NewRef(array), *base;
    while ((base = PyObject_GetAttrString(root, "base")) != NULL && Py_TYPE(base) == Py_TYPE(array)) {
        Py_SETREF(root, base);
    }
    int found = base == NULL ? -1 : base == Py_None;
    if (found > 0 && root != array) {
        int met = has_id(self->arrays, root);
        met = met ? met : has_id(self->others, root);
        found = met < 0 ? -1 : !met;
    }
    Py_XDECREF(base);
    Py_DECREF(root);
    return found;
}

static PyObject *
array_from(Override *self, PyObject *obj, PyObject *dtype, Py_buffer *view)
{
    PyObject *shape = PyObject_GetAttrString(obj, "shape"), *key = PyLong_FromVoidPtr(obj);
    PyObject *met = Py_BuildValue("OKK", obj, (unsigned long long)(uintptr_t)view->buf, (unsigned long long)(uintptr_t)view->buf + (unsigned long long)view->len);
    PyObject *arguments = NULL, *found = NULL;
    int there = shape != NULL && key != NULL && met != NULL;
    if (there && (!view->len || PyDict_SetItem(self->arrays, key, met) == 0)) { /* one without elements shares no memory */
        PyObject *order = PyUnicode_InternFromString(PyBuffer_IsContiguous(view, 'C') ? "C" : "F"); /* the one that Python writes, too */
        arguments = order == NULL ? NULL : Py_BuildValue("y#OONO", view->len ? view->buf : "", view->len, dtype, shape, order, Py_True);
    }
    if (arguments != NULL) {
        found = PyTuple_Pack(2, self->load_array, arguments);
    }
    Py_XDECREF(arguments);
    Py_XDECREF(met);
    Py_XDECREF(key);
    Py_XDECREF(shape);
    return found;
}

static PyObject *
by_memory(Override *self, PyObject *obj)
{
    int apart = self->arrays == Py_None ? 1 : has_id(self->private, obj);
    PyObject *dtype = apart ? NULL : PyObject_GetAttrString(obj, "dtype"), *found = NULL;
    int usable = dtype == NULL ? -1 : is_of_numbers(self, dtype);
    usable = usable > 0 ? is_apart(self, obj) : usable;
    Py_buffer view;
    if (usable > 0 && PyObject_GetBuffer(obj, &view, PyBUF_STRIDES) < 0) {
        PyErr_Clear();
    }
    else if (usable > 0) {
        if (!view.readonly && view.len < self->in_band && PyBuffer_IsContiguous(&view, 'A')) {
            found = array_from(self, obj, dtype, &view);
        }
        PyBuffer_Release(&view);
    }
    Py_XDECREF(dtype);
    return found;
}

/* Whether Python passes over such a method goes by its function, and by the type of what it is bound to. */
static PyObject *
by_parts(Override *self, PyObject *obj)
{
    PyObject *owner = PyMethod_GET_SELF(obj), *function = PyMethod_GET_FUNCTION(obj);
    if (PyType_Check(owner) || Py_TYPE(Py_TYPE(owner)) != &PyType_Type || !PyFunction_Check(function)) {
        return NULL;
    }
    PyObject *key = PyTuple_Pack(2, (PyObject *)Py_TYPE(owner), function), *found = NULL;
    int known = key == NULL ? -1 : PyDict_Contains(self->methods, key);
    if (known > 0) {
        found = Py_NewRef(Py_NotImplemented);
    }
    else if (known == 0) {
        found = PyObject_CallOneArg(self->ask, obj);
        if (found == Py_NotImplemented && PyDict_SetItem(self->methods, key, Py_True) < 0) {
            Py_CLEAR(found);
        }
    }
    Py_XDECREF(key);
    return found;
}

/* The number of a type; -1: an error. A library's may be a rule, by which it comes apart: borrowed. */
static long
way_of(Override *self, PyTypeObject *kind, PyObject **rule)
{
    *rule = NULL;
    PyObject *way = PyDict_GetItemWithError(self->kinds, (PyObject *)kind);
    if (way == NULL) {
        way = PyErr_Occurred() ? NULL : PyObject_CallOneArg(self->learn, (PyObject *)kind);
        if (way == NULL || PyDict_SetItem(self->kinds, (PyObject *)kind, way) < 0) {
            Py_XDECREF(way);
            return -1;
        }
        Py_DECREF(way); /* the dictionary holds it */
    }
    if (PyTuple_Check(way)) {
        *rule = way;
        return LIBRARY;
    }
    return PyLong_AsLong(way);
}

/* To look a type up runs no code of its metaclass. */
static int
runs_nothing(PyTypeObject *kind)
{
    PyTypeObject *metaclass = Py_TYPE(kind);
    return metaclass->tp_hash == PyType_Type.tp_hash && metaclass->tp_richcompare == PyType_Type.tp_richcompare;
}

static PyObject *
answer(Override *self, PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
    if (PyDict_GET_SIZE(self->by_place) || !runs_nothing(kind)) {
        return NULL;
    }
    PyObject *rule;
    long way = way_of(self, kind, &rule);
    if (way == PASS) {
        return Py_NewRef(Py_NotImplemented);
    }
    return way == ATTRIBUTES ? by_attributes(obj)
           : way == STATE    ? by_state(self, obj)
           : way == LIBRARY  ? by_library(self, obj, rule)
           : way == ARRAY    ? by_memory(self, obj)
           : way == METHOD   ? by_parts(self, obj)
           : way == HELD     ? if_held_alone(obj)
                             : NULL;
}

static PyObject *
override_call(PyObject *callable, PyObject *const *arguments, size_t count, PyObject *names)
{
    Override *self = (Override *)callable;
    if (PyVectorcall_NARGS(count) != 1 || names != NULL || self->ask == NULL) { /* the collector has cleared it */
        PyErr_SetString(PyExc_TypeError, "it is asked for one object");
        return NULL;
    }
    PyObject *found = answer(self, arguments[0]);
    return found != NULL || PyErr_Occurred() ? found : PyObject_CallOneArg(self->ask, arguments[0]);
}

static PyObject *
override_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"ask", "learn", "whole", "by_place", "private", "reduce", "with_left", "load_array", "arrays", "others", "in_band", NULL};
    PyObject *held[10];
    Py_ssize_t in_band;
    if (!PyArg_ParseTupleAndKeywords(
            arguments, keywords, "OOOO!O!OOOOO!n", names, &held[0], &held[1], &held[2], &PyDict_Type, &held[3], &PyDict_Type, &held[4], &held[5],
            &held[6], &held[7], &held[8], &PyDict_Type, &held[9], &in_band
        ) ||
        !(held[8] == Py_None || PyDict_CheckExact(held[8]))) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "arrays are noted in a dict");
        }
        return NULL;
    }
    Override *self = (Override *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    PyObject **places[] = {&self->ask,    &self->learn,     &self->whole,      &self->by_place, &self->private,
                           &self->reduce, &self->with_left, &self->load_array, &self->arrays,   &self->others};
    for (size_t place = 0; place < sizeof(held) / sizeof(*held); place++) {
        *places[place] = Py_NewRef(held[place]);
    }
    self->in_band = in_band;
    self->call = override_call;
    self->kinds = PyDict_New();
    self->methods = PyDict_New();
    if (self->kinds == NULL || self->methods == NULL) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int
override_traverse(Override *self, visitproc visit, void *arg)
{
    PyObject *held[] = {self->ask,       self->learn,      self->whole,  self->by_place, self->private, self->reduce, self->with_left,
                        self->load_array, self->arrays, self->others, self->kinds, self->methods};
    for (size_t place = 0; place < sizeof(held) / sizeof(*held); place++) {
        Py_VISIT(held[place]);
    }
    return 0;
}

static int
override_clear(Override *self)
{
    PyObject **places[] = {&self->ask,        &self->learn,  &self->whole,    &self->by_place, &self->private, &self->reduce, &self->with_left,
                           &self->load_array, &self->arrays, &self->others,   &self->kinds,   &self->methods};
    for (size_t place = 0; place < sizeof(places) / sizeof(*places); place++) {
        Py_CLEAR(*places[place]);
    }
    while (self->dtypes_count) {
        self->dtypes_count--;
        Py_CLEAR(self->dtypes[self->dtypes_count]);
    }
    return 0;
}

static void
override_dealloc(Override *self)
{
    PyObject_GC_UnTrack(self);
    override_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

PyTypeObject OverrideType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "kishu_kernel.native.walker.Override",
    .tp_basicsize = sizeof(Override),
    .tp_dealloc = (destructor)override_dealloc,
    .tp_vectorcall_offset = offsetof(Override, call),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "What a pickler asks first for each object.",
    .tp_traverse = (traverseproc)override_traverse,
    .tp_clear = (inquiry)override_clear,
    .tp_new = override_new,
};
