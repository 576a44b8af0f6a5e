/* How the loop visits containers of Python's own, and plain instances. What is not plain is asked of Python, from the
 * beginning. Borrowed references are read before anything runs that may run code; values are held by the stack by then.
 */
#include "loop.h"

/* -- what stands on the stack -------------------------------------------------------------------------- */

static void
drop_to(Stack *stack, Py_ssize_t count)
{
    while (stack->count > count) {
        PyObject *item = stack->items[--stack->count];
        Py_DECREF(item);
    }
}

static void
push_reversed(Stack *stack, PyObject *const *items, Py_ssize_t count)
{
    while (count > 0) {
        if (items[--count] != NULL) { /* a tuple that is still being made */
            stack_push(stack, items[count]);
        }
    }
}

/* `walk_small` gives up: there is no walk in Python. */
int
nobody_to_ask(void)
{
    PyErr_SetNone(PyExc_LookupError);
    return -1;
}

int
ask_handler(Loop *loop, PyObject *handler, PyObject *obj)
{
    if (loop->walk == NULL) {
        return nobody_to_ask();
    }
    PyObject *done = PyObject_CallFunctionObjArgs(handler, loop->walk, obj, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* -- containers ---------------------------------------------------------------------------------------- */

int
number_it(Loop *loop, PyObject *obj)
{
    return memo_insert(loop->memo, (uintptr_t)obj, loop->memo->count);
}

/* As Python does it, from the beginning. */
int
begin_again(Loop *loop, PyObject *obj, PyObject *handler, size_t length, Py_ssize_t stacked)
{
    loop->parts->buffer.length = length;
    drop_to(loop->stack, stacked);
    if (memo_find(loop->memo, (uintptr_t)obj) == NULL && number_it(loop, obj) < 0) {
        return -1;
    }
    return ask_handler(loop, handler, obj);
}

static PyObject *
handler_of(Loop *loop, PyObject *obj)
{
    PyObject *handler = PyDict_GetItemWithError(loop->handlers, (PyObject *)Py_TYPE(obj));
    if (handler == NULL && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, (PyObject *)Py_TYPE(obj));
    }
    return handler;
}

int
visit_sequence(Loop *loop, PyObject *obj)
{
    int is_list = PyList_CheckExact(obj);
    Buffer *out = &loop->parts->buffer;
    size_t length = out->length;
    if (buffer_put_number(out, is_list ? 'l' : 't', Py_SIZE(obj), ';') < 0 || (is_list && number_it(loop, obj) < 0)) {
        return -1;
    }
    PyObject **items = is_list ? ((PyListObject *)obj)->ob_item : ((PyTupleObject *)obj)->ob_item;
    int written = write_plain(out, &loop->scratch, items, Py_SIZE(obj));
    if (written == ASK_PYTHON) {
        PyObject *handler = handler_of(loop, obj);
        return handler == NULL ? -1 : begin_again(loop, obj, handler, length, loop->stack->count);
    }
    if (written != NOT_PLAIN) {
        return written == WRITTEN ? 0 : -1;
    }
    if ((!is_list && number_it(loop, obj) < 0) || stack_reserve(loop->stack, Py_SIZE(obj)) < 0) {
        return -1;
    }
    push_reversed(loop->stack, items, Py_SIZE(obj));
    return 0;
}

int
visit_set(Loop *loop, PyObject *obj)
{
    int is_frozen = PyFrozenSet_CheckExact(obj);
    Buffer *out = &loop->parts->buffer;
    size_t length = out->length;
    PySetObject *set = (PySetObject *)obj;
    if (buffer_put_number(out, is_frozen ? 'z' : 'u', set->used, ';') < 0 || (!is_frozen && number_it(loop, obj) < 0)) {
        return -1;
    }
    int written = write_set(out, &loop->scratch, obj);
    if (written == ASK_PYTHON || (written == NOT_PLAIN && loop->census != Py_None)) {
        PyObject *handler = handler_of(loop, obj);
        return handler == NULL ? -1 : begin_again(loop, obj, handler, length, loop->stack->count);
    }
    if (written != NOT_PLAIN) {
        return written == WRITTEN ? 0 : -1;
    }
    if ((is_frozen && number_it(loop, obj) < 0) || stack_reserve(loop->stack, set->used) < 0) {
        return -1;
    }
    for (Py_ssize_t place = 0, rest = set->used; place <= set->mask && rest > 0; place++) {
        if (set->table[place].key != NULL && set->table[place].hash != -1) {
            stack_push(loop->stack, set->table[place].key);
            rest--;
        }
    }
    return 0;
}

/* What stands on the stack from `base` on the other way round: the first one topmost. */
static void
turn(Stack *stack, Py_ssize_t base)
{
    PyObject **low = stack->items + base, **high = stack->items + stack->count - 1;
    for (; low < high; low++, high--) {
        PyObject *item = *low;
        *low = *high;
        *high = item;
    }
}

/* Values are on the stack already, from `base` on, the first one topmost: their keys are put between them. */
static void
put_keys_between(Stack *stack, Py_ssize_t base, PyObject *const *keys, Py_ssize_t count)
{
    stack->count += count;
    for (Py_ssize_t place = 0; place < count; place++) { /* from the top on */
        stack->items[base + 2 * (count - place) - 2] = stack->items[base + count - place - 1];
        stack->items[base + 2 * (count - place) - 1] = Py_NewRef(keys[place]);
    }
}

/* The values, which are on the stack: they go from there if they could be written in one go. */
static int
put_values(Loop *loop, Py_ssize_t base, Py_ssize_t count)
{
    PyObject **values = (PyObject **)loop->items.data;
    for (Py_ssize_t place = 0; place < count; place++) {
        values[place] = loop->stack->items[base + count - 1 - place];
    }
    int written = write_plain(&loop->parts->buffer, &loop->scratch, values, count);
    if (written == WRITTEN) {
        drop_to(loop->stack, base);
    }
    return written == NOT_PLAIN ? WRITTEN : written;
}

static int
all_plain(PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t place = 0;
    while (PyDict_Next(dict, &place, &key, &value)) {
        if (!plain_kind(key)) {
            return 0;
        }
    }
    return 1;
}

/* Room for `count` keys and values, on the stack and beside it. */
static int
make_room(Loop *loop, Py_ssize_t count)
{
    loop->items.length = 0;
    if (buffer_reserve(&loop->items, (size_t)count * sizeof(PyObject *)) < 0) {
        return -1;
    }
    return stack_reserve(loop->stack, 2 * count + 1);
}

int
visit_dict(Loop *loop, PyObject *obj)
{
    Py_ssize_t count = PyDict_GET_SIZE(obj), base = loop->stack->count, filled = 0, place = 0;
    Buffer *out = &loop->parts->buffer;
    size_t length = out->length;
    PyObject *handler = handler_of(loop, obj), *key, *value;
    if (handler == NULL || number_it(loop, obj) < 0) {
        return -1;
    }
    if (obj == loop->namespace || (count >= LONG_SEQUENCE && all_plain(obj))) {
        return ask_handler(loop, handler, obj);
    }
    if (buffer_put_number(out, 'd', count, ';') < 0 || make_room(loop, count) < 0) {
        return -1;
    }
    PyObject **keys = (PyObject **)loop->items.data;
    while (filled < count && PyDict_Next(obj, &place, &key, &value)) {
        keys[filled++] = key;
        stack_push(loop->stack, value);
    }
    count = filled;
    turn(loop->stack, base);
    int written = count == 0 ? WRITTEN : write_plain(out, &loop->scratch, keys, count);
    if (written == NOT_PLAIN) {
        put_keys_between(loop->stack, base, keys, count);
        return 0;
    }
    if (written == WRITTEN && count) {
        written = put_values(loop, base, count);
    }
    if (written == ASK_PYTHON) {
        return begin_again(loop, obj, handler, length, base);
    }
    return written == WRITTEN ? 0 : -1;
}

/* -- instances ----------------------------------------------------------------------------------------- */

/* Names beside the stack and values on it. 0 where they are not just names and values. */
static int
take_attributes(Loop *loop, Attributes *found, Py_ssize_t *count)
{
    PyObject *name, *value;
    Py_ssize_t filled = 0, place = 0, base;
    *count = found->dict == NULL ? found->count : PyDict_GET_SIZE(found->dict);
    if (*count >= LONG_SEQUENCE || found->shared) {
        return 0;
    }
    if (make_room(loop, *count) < 0) {
        return -1;
    }
    PyObject **names = (PyObject **)loop->items.data;
    base = loop->stack->count;
    for (; found->dict == NULL && filled < *count; filled++) {
        names[filled] = found->names[filled];
        stack_push(loop->stack, found->values[filled]);
    }
    while (found->dict != NULL && filled < *count && PyDict_Next(found->dict, &place, &name, &value)) {
        names[filled++] = name;
        stack_push(loop->stack, value);
    }
    turn(loop->stack, base);
    return filled == *count;
}

int
visit_simple(Loop *loop, PyObject *obj, Kind *kind)
{
    Py_ssize_t count = 0, base = loop->stack->count;
    Buffer *out = &loop->parts->buffer;
    size_t length = out->length;
    Attributes found;
    if ((kind->simple == 1 && number_it(loop, obj) < 0) || stack_reserve(loop->stack, 1) < 0) {
        return -1;
    }
    stack_push(loop->stack, (PyObject *)Py_TYPE(obj)); /* walked after the attributes */
    int taken = attributes_read(obj, &found);
    if (taken > 0) {
        taken = take_attributes(loop, &found, &count);
    }
    int written = taken < 0 ? FAILED : taken == 0 ? ASK_PYTHON : WRITTEN;
    if (written == WRITTEN && buffer_put_number(out, 'o', count, ';') < 0) {
        written = FAILED;
    }
    if (written == WRITTEN && count) {
        written = kind_put_names(kind, out, &loop->scratch, (PyObject **)loop->items.data, count);
        if (written == WRITTEN) {
            written = put_values(loop, base + 1, count);
        }
    }
    Py_XDECREF(found.dict);
    if (written == ASK_PYTHON) {
        return begin_again(loop, obj, kind->handler, length, base);
    }
    return written == WRITTEN ? 0 : -1;
}
