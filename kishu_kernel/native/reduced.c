/* How the loop visits what a pickler's usual way tells wholly: slots, queues, dates; and what its reduction does: frames and
 * what they are made of. As `walk_reduction` in Python, less what that asks of others. A reduction runs code: no reference is borrowed over one.
 */
#include "loop.h"

enum { VALUE = 2, BY_TABLE = 3, VALUE_BY_TABLE = 4 }; /* as `Kind.told` has it */
enum { MODULE_ATTRIBUTE = 2, MAKE_INSTANCE = 3, MAKE_DERIVED = 4, MAKERS = 5 }; /* as in `Walk.makers` */

/* What the table gives, or a pickler: a new reference; NULL: an error. */
static PyObject *
reduction_of(Loop *loop, PyObject *obj, PyObject *rule)
{
    PyObject *reduced = rule == NULL ? NULL : reduction_by_rule(obj, rule);
    if (reduced == NULL) {
        PyErr_Clear();
        reduced = PyObject_CallMethod(loop->reducer, "reduce", "(O)", obj);
    }
    if (reduced == Py_NotImplemented) {
        Py_SETREF(reduced, PyObject_CallMethod(loop->reducer, "as_pickle_does", "(O)", obj));
    }
    return reduced;
}

/* A list of what was made, which the walk keeps: the id of a freed one would name another. */
static PyObject *
taken_apart(Loop *loop, PyObject *obj, int by_table, PyObject *rule)
{
    PyObject *reduced = by_table ? reduction_of(loop, obj, rule) : PyObject_CallMethod(obj, "__reduce_ex__", "i", 5);
    PyObject *children = reduced == NULL || !PyTuple_CheckExact(reduced) ? NULL : PySequence_List(reduced);
    Py_XDECREF(reduced);
    for (Py_ssize_t place = 3; children != NULL && place < 5 && place < PyList_GET_SIZE(children); place++) {
        PyObject *items = PyList_GET_ITEM(children, place);
        PyObject *listed = items == Py_None ? Py_NewRef(items) : PySequence_List(items);
        if (listed == NULL || PyList_SetItem(children, place, listed) < 0) {
            Py_CLEAR(children);
        }
    }
    return children;
}

/* Whether nothing else holds its attributes: 1, 0, or -1 for an error. One that has no dictionary yet may get it by being asked,
 * and tells it then (`functools.partial`): that is for Python.
 */
static int
is_alone(PyObject *obj, PyTypeObject *kind)
{
    Attributes own = {0};
    if (!attributes_readable(kind)) {
        return kind->tp_dictoffset == 0;
    }
    int read = attributes_read(obj, &own);
    Py_XDECREF(own.dict);
    return read > 0 ? !own.shared && (own.dict != NULL || attributes_are_inline(obj)) : read;
}

/* Whether the array, or what holds one, is its frame's own, which copies it before a write: 1, 0, or -1 for an error. */
static int
is_private(Loop *loop, PyObject *obj)
{
    PyObject *key = PyDict_GET_SIZE(loop->private) ? PyLong_FromVoidPtr(obj) : NULL;
    int noted = key == NULL ? 0 : PyDict_Contains(loop->private, key);
    Py_XDECREF(key);
    PyObject *answer = noted > 0 ? PyObject_CallMethod(loop->reducer, "is_copy_on_write", "(O)", obj) : NULL;
    int found = answer == NULL ? noted < 0 || PyErr_Occurred() ? -1 : 0 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return found;
}

/* Whether sharing it cannot matter, as `walk_reduction` finds: 1, 0, or -1 for an error. */
static int
is_unlinked(Loop *loop, PyObject *obj, PyObject *children, int told)
{
    if (told < BY_TABLE) {
        return told == VALUE;
    }
    int of_module = PyList_GET_ITEM(children, 0) == PyTuple_GET_ITEM(loop->makers, MODULE_ATTRIBUTE);
    return told == VALUE_BY_TABLE || of_module || is_private(loop, obj);
}

/* An empty `__dict__` is as none; what a value holds is its own. */
static int
set_state(PyObject *children, int is_value)
{
    PyObject *state = PyList_GET_SIZE(children) > 2 ? PyList_GET_ITEM(children, 2) : Py_None;
    if (!PyDict_CheckExact(state)) {
        return 0;
    }
    PyObject *instead = PyDict_GET_SIZE(state) == 0 ? Py_NewRef(Py_None) : is_value ? PyDict_Copy(state) : Py_NewRef(state);
    return instead == NULL ? -1 : PyList_SetItem(children, 2, instead);
}

static int
put_bytes(Buffer *out, PyObject *bytes)
{
    return buffer_put(out, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* As `_write_newobj`: 1: what makes the instance was written; 0: that is not all; -1: an error. */
static int
put_newobj(Loop *loop, PyObject *children, PyTypeObject *kind)
{
    PyObject *made_by = PyList_GET_ITEM(children, 0), *arguments = PyList_GET_ITEM(children, 1);
    if (made_by != copyreg_newobj || PyList_GET_SIZE(children) < 3 || !PyTuple_CheckExact(arguments) || PyTuple_GET_SIZE(arguments) != 1 ||
        PyTuple_GET_ITEM(arguments, 0) != (PyObject *)kind || PyDict_GET_SIZE(loop->hubs)) {
        return 0;
    }
    PyObject *function = PyDict_GetItemWithError(loop->references, made_by);
    PyObject *cls = function == NULL ? NULL : PyDict_GetItemWithError(loop->references, (PyObject *)kind);
    if (cls == NULL || !PyBytes_CheckExact(function) || !PyBytes_CheckExact(cls)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int met = memo_find(loop->memo, (uintptr_t)arguments) != NULL ? 1 : is_static(loop, arguments);
    if (met) {
        return met < 0 ? -1 : 0;
    }
    Buffer *out = &loop->parts->buffer;
    int failed = number_it(loop, arguments) < 0 || put_bytes(out, function) < 0 || buffer_put(out, "t1;", 3) < 0 || put_bytes(out, cls) < 0;
    return failed ? -1 : 1;
}

/* Whether this is for the loop to write: 1, 0, or -1 for an error. What makes an instance of all that it has says more of a value. */
static int
is_usable(Loop *loop, PyObject *children, int told)
{
    if (children == NULL || PyList_GET_SIZE(children) < 2) {
        return 0;
    }
    PyObject *made_by = PyList_GET_ITEM(children, 0);
    if (told == VALUE_BY_TABLE &&
        (made_by == PyTuple_GET_ITEM(loop->makers, MAKE_INSTANCE) || made_by == PyTuple_GET_ITEM(loop->makers, MAKE_DERIVED))) {
        return 0;
    }
    return set_state(children, told == VALUE || told == VALUE_BY_TABLE) < 0 ? -1 : 1;
}

/* Whether a module of the user's has held it since it was imported, so that it may go by its place: 1, 0, or -1 for an error. */
static int
may_go_by_place(Loop *loop, PyObject *obj)
{
    PyObject *key = PyDict_GET_SIZE(loop->by_place) ? PyLong_FromVoidPtr(obj) : NULL;
    int found = key == NULL ? (PyErr_Occurred() ? -1 : 0) : PyDict_Contains(loop->by_place, key);
    Py_XDECREF(key);
    return found;
}

int
visit_told(Loop *loop, PyObject *obj, Kind *kind)
{
    int told = kind->told, by_table = told >= BY_TABLE, held = may_go_by_place(loop, obj);
    Buffer *out = &loop->parts->buffer;
    if (held) {
        return held < 0 || number_it(loop, obj) < 0 ? -1 : ask_handler(loop, kind->handler, obj);
    }
    int alone = !by_table ? 1 : PyTuple_GET_SIZE(loop->makers) != MAKERS ? 0 : is_alone(obj, kind->kind);
    PyObject *children = alone > 0 ? taken_apart(loop, obj, by_table, kind->rule) : NULL;
    int unlinked = alone > 0 && is_usable(loop, children, told) > 0 ? is_unlinked(loop, obj, children, told) : -1;
    if (unlinked < 0) {
        Py_XDECREF(children);
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
            return -1;
        }
        PyErr_Clear();
        return begin_again(loop, obj, kind->handler, out->length, loop->stack->count);
    }
    Py_ssize_t count = PyList_GET_SIZE(children);
    int failed = (!unlinked && number_it(loop, obj) < 0) || PyList_Append(loop->kept, children) < 0 || buffer_put_number(out, 'r', count, ';') < 0;
    int written = failed ? -1 : put_newobj(loop, children, Py_TYPE(obj));
    if (written >= 0 && stack_reserve(loop->stack, count) >= 0) {
        for (Py_ssize_t place = count; place > (written ? 2 : 0); place--) {
            stack_push(loop->stack, PyList_GET_ITEM(children, place - 1));
        }
    }
    else {
        written = -1;
    }
    Py_DECREF(children);
    return written < 0 ? -1 : 0;
}
