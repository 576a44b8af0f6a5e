/* Instances that a stream makes and gives their attributes, and what it finds by its name and calls. */
#include "load.h"

/* Whether instances of a type are made by `object`, and nothing of its class's runs when they are given their attributes. */
static int
is_its_attributes(PyTypeObject *kind)
{
    static PyObject *setter, *attributes;
    if (setter == NULL) {
        setter = PyUnicode_InternFromString("__setstate__");
        attributes = PyUnicode_InternFromString("__dict__");
    }
    if (setter == NULL || attributes == NULL || kind->tp_new != PyBaseObject_Type.tp_new || kind->tp_dictoffset == 0 ||
        kind->tp_getattro != PyObject_GenericGetAttr || _PyType_Lookup(kind, setter) != NULL) {
        return 0;
    }
    PyObject *found = _PyType_Lookup(kind, attributes);
    return found != NULL && Py_TYPE(found) == &PyGetSetDescr_Type;
}

/* Whether it is the type that was asked about last, and nobody has changed it since: what a stream calls may do so. */
static int
is_last(Loading *l, PyTypeObject *kind)
{
    return kind == l->last && PyType_HasFeature(kind, Py_TPFLAGS_VALID_VERSION_TAG) && kind->tp_version_tag == l->version;
}

/* A name as interpreters have it; borrowed. Mostly it is the one that stood in this place before. */
static PyObject *
interned(Loading *l, PyObject *name, Py_ssize_t place)
{
    PyObject **known = l->names[place % NAMES];
    if (known[0] != name) {
        PyObject *once = Py_NewRef(name);
        PyUnicode_InternInPlace(&once);
        Py_XSETREF(known[0], Py_NewRef(name));
        Py_XSETREF(known[1], once);
    }
    return known[1];
}

/* 0: it is pickle's usual way that does it. */
static int
give_attributes(Loading *l, PyObject *obj, PyObject *state)
{
    PyTypeObject *kind = Py_TYPE(obj);
    PyObject *name, *value;
    Py_ssize_t place = 0;
    if (!PyDict_CheckExact(state) || (!is_last(l, kind) && !is_its_attributes(kind))) {
        return NOT_PLAIN;
    }
    l->last = kind;
    l->version = kind->tp_version_tag;
    Py_ssize_t count = 0;
    while (PyDict_Next(state, &place, &name, &value)) {
        name = PyUnicode_CheckExact(name) ? interned(l, name, count++) : NULL;
        PyObject *member = name == NULL ? NULL : _PyType_Lookup(kind, name);
        if (name == NULL || (member != NULL && Py_TYPE(member)->tp_descr_set != NULL)) {
            return NOT_PLAIN;
        }
    }
    for (count = place = 0; PyDict_Next(state, &place, &name, &value); count++) {
        name = Py_NewRef(interned(l, name, count));
        int failed = PyObject_GenericSetAttr(obj, name, value) < 0;
        Py_DECREF(name);
        if (failed) {
            return FAILED;
        }
    }
    return WRITTEN;
}

int
build(Loading *l)
{
    Py_ssize_t place = l->places[l->count - 1];
    PyObject *state = pop(l), *obj = l->items[l->count - 1];
    int done = give_attributes(l, obj, state);
    if (done == NOT_PLAIN) {
        PyObject *answer = PyObject_CallFunctionObjArgs(l->build, obj, state, NULL);
        done = answer == NULL ? FAILED : WRITTEN;
        Py_XDECREF(answer);
    }
    else if (place >= 0 && !l->fetched[place]) { /* nobody asks for it again: it need not wait for the end */
        PyList_SetItem(l->memo, place, Py_NewRef(Py_None));
    }
    Py_DECREF(state);
    return done;
}

int
make_instance(Loading *l)
{
    PyObject *arguments = pop(l), *kind = pop(l), *made = NULL;
    if (PyType_Check(kind) && PyTuple_Check(arguments) && ((PyTypeObject *)kind)->tp_new != NULL) {
        made = ((PyTypeObject *)kind)->tp_new((PyTypeObject *)kind, arguments, NULL);
    }
    else {
        damaged();
    }
    Py_DECREF(arguments);
    Py_DECREF(kind);
    return push(l, made);
}

int
call_it(Loading *l)
{
    PyObject *arguments = pop(l), *function = pop(l), *made = NULL;
    if (PyTuple_Check(arguments)) {
        made = PyObject_CallObject(function, arguments);
    }
    else {
        damaged();
    }
    Py_DECREF(arguments);
    Py_DECREF(function);
    return push(l, made);
}

int
find_global(Loading *l)
{
    PyObject *name = pop(l), *module = pop(l), *found = NULL;
    if (PyUnicode_CheckExact(name) && PyUnicode_CheckExact(module)) {
        found = PyObject_CallFunctionObjArgs(l->find, module, name, NULL);
    }
    else {
        damaged();
    }
    Py_DECREF(name);
    Py_DECREF(module);
    return push(l, found);
}
