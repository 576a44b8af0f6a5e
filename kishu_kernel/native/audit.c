/* The audit hook's ear: what nobody waits for is not brought before Python.
 *
 * `id()`, `sys._getframe()` and `open()` raise an event at every call, and a hook in Python is asked each time. This one
 * knows the names that matter, and asks the hook in Python about those only. `guards` is the dictionary of those to whom
 * all of them matter. Where it is empty, nobody waits for an `open` for reading, nor for the names that `muted` says.
 *
 * Law: runs in the interpreter that asked for it, and as hooks in Python do: nothing that traces or profiles sees it.
 */
#include "native.h"

#if PY_VERSION_HEX >= 0x030B0000

#define PLACES 256 /* a power of two, and more than twice the names */
#define FLAGS 2    /* of the arguments of `open` */
#define ALWAYS 255

static const char *names[PLACES];
static PyObject *held_names, *listener, *guards;
static Py_ssize_t numbers[PLACES];
static Py_buffer muted; /* a byte for each name, in their order: when it matters to guards only; that of the first is now */
static PyInterpreterState *home;
static long writing;

static size_t
place_of(const char *name)
{
    size_t length = strlen(name); /* all its characters would take longer than what is saved by them */
    return length == 0 ? 0 : (131 * length + 31 * (unsigned char)name[0] + 7 * (unsigned char)name[length - 1]) & (PLACES - 1);
}

/* Which of the names it is; -1: none. */
static Py_ssize_t
number_of(const char *event)
{
    for (size_t place = place_of(event); names[place] != NULL; place = (place + 1) & (PLACES - 1)) {
        if (strcmp(names[place], event) == 0) {
            return numbers[place];
        }
    }
    return -1;
}

/* Whether an `open` with these arguments is for reading. What is not as expected is heard. */
static int
only_reads(PyObject *arguments)
{
    if (!PyTuple_CheckExact(arguments) || PyTuple_GET_SIZE(arguments) <= FLAGS) {
        return 0;
    }
    PyObject *flags = PyTuple_GET_ITEM(arguments, FLAGS);
    if (!PyLong_CheckExact(flags)) {
        return 0;
    }
    int overflow;
    long value = PyLong_AsLongAndOverflow(flags, &overflow);
    return !overflow && (value & writing) == 0;
}

static int
is_muted(Py_ssize_t number)
{
    const unsigned char *when = muted.buf;
    return when[number] == ALWAYS || when[number] == when[0];
}

static int
hear(const char *event, PyObject *arguments, void *Py_UNUSED(data))
{
    Py_ssize_t number = number_of(event);
    if (number < 0 || PyInterpreterState_Get() != home) {
        return 0;
    }
    if (PyDict_GET_SIZE(guards) == 0 &&
        (is_muted(number) || (strcmp(event, "open") == 0 && only_reads(arguments)))) {
        return 0;
    }
    PyObject *name = PyUnicode_FromString(event);
    if (name == NULL) {
        return -1;
    }
    PyThreadState *state = PyThreadState_Get();
    PyThreadState_EnterTracing(state);
    PyObject *result = PyObject_CallFunctionObjArgs(listener, name, arguments, NULL);
    PyThreadState_LeaveTracing(state);
    Py_DECREF(name);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* hear(names, listener, guards, writing, muted): from now on `listener(event, arguments)` is called at each of these
 * events, but for those that are muted, while there are no guards. Once in a process. False: it cannot be done here. */
PyObject *
audit_hear(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyTuple_CheckExact(args[0]) || !PyDict_CheckExact(args[2]) || listener != NULL ||
        PyTuple_GET_SIZE(args[0]) > PLACES / 2 || !PyByteArray_CheckExact(args[4]) ||
        PyByteArray_GET_SIZE(args[4]) != PyTuple_GET_SIZE(args[0])) {
        Py_RETURN_FALSE;
    }
    writing = PyLong_AsLong(args[3]);
    if (writing == -1 && PyErr_Occurred()) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[0]); i++) {
        const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(args[0], i));
        if (name == NULL) {
            return NULL;
        }
        size_t place = place_of(name);
        while (names[place] != NULL) {
            place = (place + 1) & (PLACES - 1);
        }
        names[place] = name;
        numbers[place] = i;
    }
    if (PyObject_GetBuffer(args[4], &muted, PyBUF_SIMPLE) < 0) { /* never released: so it keeps its place */
        return NULL;
    }
    held_names = Py_NewRef(args[0]); /* the characters are theirs */
    listener = Py_NewRef(args[1]);
    guards = Py_NewRef(args[2]);
    home = PyInterpreterState_Get();
    if (PySys_AddAuditHook(hear, NULL) < 0) {
        return NULL;
    }
    Py_RETURN_TRUE;
}

#else /* a hook in C would be seen by what traces: there is no public way to hide it */

PyObject *
audit_hear(PyObject *Py_UNUSED(module), PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    Py_RETURN_FALSE;
}

#endif
