/* Instances that a pickler makes empty and fills with what their `__getstate__` gives: most objects of libraries that draw.
 * Which types these are Python says (objects/told_states.py); here is looked whether one instance tells all that it has.
 */
#include "loop.h"

static PyObject *getstate, *reduce_ex;

/* Of a value of these types it does not matter who else holds it (hidden_links.py). */
static int
is_shared_by_all(PyObject *value)
{
    PyTypeObject *kind = Py_TYPE(value);
    return plain_kind(value) || kind == &PyFunction_Type || kind == &PyModule_Type || PyType_Check(value);
}

/* It holds weak references, which keep nothing alive; or nothing at all, and is of no use to others. */
static int
leads_nowhere(PyObject *value)
{
    PyObject *key, *first;
    Py_ssize_t place = 0;
    if (!PyDict_CheckExact(value)) {
        return 0;
    }
    return PyDict_Next(value, &place, &key, &first) ? PyWeakref_CheckRef(first) : Py_REFCNT(value) == 2; /* its own, and ours */
}

/* What a state says of attributes. */
enum { LEAVES_OUT = 0, TELLS_ALL = 1, MAY_HIDE = 2 };

/* Whether it tells the very value of one; -1: an error. */
static int
tells_one(PyObject *state, PyObject *name, PyObject *value)
{
    if (!PyUnicode_CheckExact(name)) {
        return LEAVES_OUT;
    }
    PyObject *told = PyDict_GetItemWithError(state, name);
    if (told == NULL) {
        return PyErr_Occurred() ? -1 : LEAVES_OUT;
    }
    return told == value || is_shared_by_all(value) || leads_nowhere(value) ? TELLS_ALL : MAY_HIDE;
}

static int
note_left(PyObject *left, PyObject *name, PyObject *value)
{
    PyObject *pair = PyTuple_Pack(2, name, value);
    int failed = pair == NULL || PyList_Append(left, pair) < 0;
    Py_XDECREF(pair);
    return failed ? -1 : 0;
}

static int
next_own(Attributes *own, Py_ssize_t *place, PyObject **name, PyObject **value)
{
    if (own->dict != NULL) {
        return PyDict_Next(own->dict, place, name, value);
    }
    if (*place == own->count) {
        return 0;
    }
    *name = own->names[*place];
    *value = own->values[(*place)++];
    return 1;
}

/* `left` gets the names and values that it may hide. To make a pair may start a collection, which runs code: each of `own`
 * is held once meanwhile. Those that stand in the instance are already.
 */
static int
tells(PyObject *state, Attributes *own, PyObject *left)
{
    PyObject *name, *value;
    Py_ssize_t place = 0;
    int all = TELLS_ALL, one = TELLS_ALL, in_dict = own->dict != NULL;
    while (one > LEAVES_OUT && next_own(own, &place, &name, &value)) {
        if (in_dict) {
            Py_INCREF(name);
            Py_INCREF(value);
        }
        one = tells_one(state, name, value);
        if (one == MAY_HIDE && note_left(left, name, value) < 0) {
            one = -1;
        }
        if (in_dict) {
            Py_DECREF(name);
            Py_DECREF(value);
        }
        all = one > all ? one : all;
    }
    return one > LEAVES_OUT ? all : one;
}

static int
says_itself(Attributes *own)
{
    if (own->dict != NULL) {
        int said = PyDict_Contains(own->dict, getstate);
        return said ? said : PyDict_Contains(own->dict, reduce_ex);
    }
    for (Py_ssize_t place = 0; place < own->count; place++) {
        if (!PyUnicode_CheckExact(own->names[place]) || PyUnicode_Compare(own->names[place], getstate) == 0 ||
            PyUnicode_Compare(own->names[place], reduce_ex) == 0) {
            return 1;
        }
    }
    return 0;
}

/* 1: its attributes are its own, and `found` has them; 0: not so; -1: an error. */
static int
read_own(PyObject *obj, Attributes *found)
{
    int read = attributes_read(obj, found);
    return read > 0 && found->shared ? 0 : read;
}

/* 1: nobody else holds its attributes, and they do not say themselves how it is taken apart; 0: not so; -1: an error. */
static int
is_ordinary(PyObject *obj)
{
    Attributes own = {0};
    int usable = read_own(obj, &own);
    int said = usable > 0 ? says_itself(&own) : 0;
    Py_XDECREF(own.dict);
    return usable < 0 || said < 0 ? -1 : usable && !said;
}

/* What its `__getstate__` gives, where that leaves nothing out; None where it does, or fails; NULL: an error. `left` gets a new
 * list of pairs, or stays NULL.
 */
PyObject *
state_told_by(PyObject *obj, PyObject **left)
{
    int usable = is_ordinary(obj), told = LEAVES_OUT;
    PyObject *pairs = PyList_New(0);
    usable = pairs == NULL ? -1 : usable;
    PyObject *state = usable > 0 ? PyObject_CallMethodNoArgs(obj, getstate) : NULL;
    if (state != NULL && PyDict_CheckExact(state)) {
        Attributes own = {0};
        int read = read_own(obj, &own); /* now: it may have changed */
        attributes_hold(&own);
        told = read > 0 ? tells(state, &own, pairs) : read;
        attributes_release(&own);
    }
    if (told > LEAVES_OUT) {
        *left = told == MAY_HIDE ? Py_NewRef(pairs) : NULL;
        Py_DECREF(pairs);
        return state;
    }
    Py_XDECREF(pairs);
    Py_XDECREF(state);
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception)) {
        return NULL;
    }
    PyErr_Clear(); /* who asks in full meets it again */
    Py_RETURN_NONE;
}

/* told_state(obj): the dictionary that its `__getstate__` gives, in a tuple with what that may hide, if anything; None: ask in full. */
PyObject *
told_state(PyObject *Py_UNUSED(module), PyObject *obj)
{
    PyObject *left = NULL, *state = state_told_by(obj, &left);
    PyObject *found = left != NULL ? PyTuple_Pack(2, state, left) : Py_XNewRef(state);
    Py_XDECREF(left);
    Py_XDECREF(state);
    return found;
}

/* The bytes of what makes it, where both the function and the class were met: 1; else 0. As `_write_newobj` does. */
static int
put_maker(Loop *loop, PyObject *kind)
{
    PyObject *function = PyDict_GET_SIZE(loop->hubs) ? NULL : PyDict_GetItemWithError(loop->references, copyreg_newobj);
    PyObject *cls = function == NULL ? NULL : PyDict_GetItemWithError(loop->references, kind);
    if (cls == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    Buffer *out = &loop->parts->buffer;
    int failed = buffer_put(out, PyBytes_AS_STRING(function), (size_t)PyBytes_GET_SIZE(function)) < 0 || buffer_put(out, "t1;", 3) < 0 ||
                 buffer_put(out, PyBytes_AS_STRING(cls), (size_t)PyBytes_GET_SIZE(cls)) < 0;
    return failed ? -1 : 1;
}

/* Whether it is for this to visit it at all: 1, 0, or -1 for an error. */
static int
is_usual(Loop *loop, PyObject *obj)
{
    int usual = 1;
    PyObject *key = PyLong_FromVoidPtr(obj), *apart[] = {loop->private, loop->by_place};
    for (int place = 0; key != NULL && usual > 0 && place < 2; place++) {
        int found = PyDict_GET_SIZE(apart[place]) ? PyDict_Contains(apart[place], key) : 0;
        usual = found < 0 ? -1 : !found;
    }
    Py_XDECREF(key);
    return key == NULL ? -1 : usual;
}

/* A reduction that makes it empty and gives it a dictionary; else None. */
static PyObject *
reduce(PyObject *obj, PyObject **left)
{
    PyObject *state = state_told_by(obj, left);
    PyObject *arguments = state == NULL || state == Py_None ? NULL : PyTuple_Pack(1, (PyObject *)Py_TYPE(obj));
    PyObject *found = arguments != NULL ? PyTuple_Pack(5, copyreg_newobj, arguments, state, Py_None, Py_None) : Py_XNewRef(state == Py_None ? state : NULL);
    Py_XDECREF(arguments);
    Py_XDECREF(state);
    return found;
}

/* Keeps what was made on the way, since its ids are noted, and puts it on the stack. */
static int
push_reduction(Loop *loop, PyObject *reduction, int with_maker)
{
    PyObject *arguments = PyTuple_GET_ITEM(reduction, 1), *state = PyTuple_GET_ITEM(reduction, 2);
    Py_ssize_t length = PyTuple_GET_SIZE(reduction);
    if (PyList_Append(loop->kept, reduction) < 0 || stack_reserve(loop->stack, length) < 0 || (!with_maker && number_it(loop, arguments) < 0)) {
        return -1;
    }
    for (Py_ssize_t place = length - 1; place > 2; place--) {
        stack_push(loop->stack, PyTuple_GET_ITEM(reduction, place));
    }
    stack_push(loop->stack, PyDict_GET_SIZE(state) ? state : Py_None);
    if (with_maker) {
        stack_push(loop->stack, arguments);
        stack_push(loop->stack, PyTuple_GET_ITEM(reduction, 0));
    }
    return 0;
}

/* Writes a reduction, and what it may hide. */
static int
write_reduction(Loop *loop, PyObject *obj, PyObject *reduction, PyObject *left)
{
    PyObject *noted = left == NULL ? Py_NewRef(Py_None) : PyObject_CallMethod(loop->walk, "note_left", "OOO", obj, reduction, left);
    if (noted == NULL) {
        return -1;
    }
    Py_DECREF(noted);
    if (buffer_put_number(&loop->parts->buffer, 'r', PyTuple_GET_SIZE(reduction), ';') < 0) {
        return -1;
    }
    int put = put_maker(loop, (PyObject *)Py_TYPE(obj));
    return put < 0 ? -1 : push_reduction(loop, reduction, !put);
}

int
visit_by_state(Loop *loop, PyObject *obj, Kind *kind)
{
    PyObject *left = NULL, *reduction = NULL;
    int usual = number_it(loop, obj) < 0 ? -1 : is_usual(loop, obj);
    if (usual >= 0) {
        reduction = usual ? reduce(obj, &left) : Py_NewRef(Py_None);
    }
    int failed = reduction == NULL;
    if (!failed) {
        failed = (reduction == Py_None ? ask_handler(loop, kind->handler, obj) : write_reduction(loop, obj, reduction, left)) < 0;
    }
    Py_XDECREF(left);
    Py_XDECREF(reduction);
    return failed ? -1 : 0;
}

int
states_begin(void)
{
    getstate = PyUnicode_InternFromString("__getstate__");
    reduce_ex = PyUnicode_InternFromString("__reduce_ex__");
    return getstate == NULL || reduce_ex == NULL ? -1 : 0;
}
