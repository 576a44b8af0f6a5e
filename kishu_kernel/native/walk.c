/* The loop of a walk: as `Walk._walk` in Python, which says what each step is for. */
#include "loop.h"

#define FLUSH_AT (1 << 17)
#define STEPS_BETWEEN_STOPS 1023
#define STEPS_BETWEEN_PAUSES 65535
#define SMALL_MOST 64 /* objects */
#define SMALL_TEXT (1 << 16)
#define STATICS_ASKED 1000 /* so often a set is asked, before it is made a table of addresses */


/* -- what is asked of Python --------------------------------------------------------------------------- */

static int
is_counted(Loop *loop, PyObject *type)
{
    PyObject *answer = PyObject_CallMethod(loop->walk, "is_counted", "O", type);
    int counted = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return counted;
}

/* As `resolve` would, of a type that another walk of this judgement has met: a new reference. NULL: none has, or an error. */
static PyObject *
resolved_before(Loop *loop, PyObject *type)
{
    PyObject *known = PyDict_GetItemWithError(loop->resolved, type);
    if (known == NULL || !PyTuple_CheckExact(known) || PyTuple_GET_SIZE(known) == 0) {
        return NULL;
    }
    for (Py_ssize_t place = 1; place < PyTuple_GET_SIZE(known); place++) { /* what its library holds */
        PyObject *held = PyTuple_GET_ITEM(known, place), *key = PyLong_FromVoidPtr(held);
        int there = key == NULL ? -1 : PySet_Contains(loop->static_parts, key);
        if (there == 0) {
            PyObject *done = PyObject_CallMethod(loop->static_ids, "update", "O", held);
            there = done == NULL ? -1 : PySet_Add(loop->static_parts, key);
            Py_XDECREF(done);
        }
        Py_XDECREF(key);
        if (there < 0) {
            return NULL;
        }
    }
    return Py_NewRef(PyTuple_GET_ITEM(known, 0));
}

static int
find_handler(Loop *loop, Kind *kind, PyObject *obj)
{
    PyObject *type = (PyObject *)kind->kind, *found = PyDict_GetItemWithError(loop->handlers, type);
    if (found != NULL) {
        Py_INCREF(found);
    }
    else {
        found = PyErr_Occurred() ? NULL : resolved_before(loop, type);
        if (found == NULL && !PyErr_Occurred()) {
            found = PyObject_CallMethod(loop->walk, "resolve", "OO", type, obj);
        }
        if (found == NULL || PyObject_SetItem(loop->handlers, type, found) < 0) {
            Py_XDECREF(found);
            return -1;
        }
    }
    Py_XSETREF(kind->handler, found);
    int counted = loop->census == Py_None ? 0 : is_counted(loop, type);
    int readable = counted == 0 && attributes_readable(kind->kind);
    if (counted < 0) {
        return -1;
    }
    kind->simple = (char)(!readable ? 0 : found == loop->simple ? 1 : found == loop->simple_value ? 2 : 0);
    kind->told = (char)(counted ? 0 : found == loop->told ? 1 : found == loop->told_value ? 2 : found == loop->reduced ? 3 : found == loop->reduced_value ? 4 : 0);
    if (kind->told > 2) {
        PyObject *rule = PyObject_CallMethod(loop->walk, "rule_of", "O", type);
        if (rule == NULL) {
            return -1;
        }
        Py_XSETREF(kind->rule, rule == Py_None ? NULL : Py_NewRef(rule));
        Py_DECREF(rule);
    }
    kind->state = (char)(readable && found == loop->by_state);
    kind->is_array = found == loop->array;
    kind->is_function = found == loop->function && kind->kind == &PyFunction_Type;
    kind->is_member = found == loop->member;
    kind->is_scalar = found == loop->scalar;
    return 0;
}

/* Whether its metaclass runs code of the notebook's: 1, 0, or -1 for an error. */
static int
has_active_metaclass(Loop *loop, Kind *kind)
{
    if (kind->harmless) {
        return 0;
    }
    PyTypeObject *metaclass = Py_TYPE(kind->kind);
    PyObject *answer = PyObject_CallMethod(loop->walk, "has_active_metaclass", "O", (PyObject *)kind->kind);
    int active = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    kind->harmless = active == 0 && Py_TYPE(metaclass) == &PyType_Type;
    return active;
}

static int
is_fatal(PyObject *abandoned)
{
    return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(abandoned);
}

/* -- what was met before ------------------------------------------------------------------------------- */

/* 1: it is told by that; 0: it is not; -1: an error. */
static int
met_as_attributes(Loop *loop, PyObject *obj)
{
    int told = 0;
    PyObject *key = PyLong_FromVoidPtr(obj);
    PyObject *number = key == NULL ? NULL : PyDict_GetItemWithError(loop->attributes, key);
    if (number != NULL) {
        Buffer *out = &loop->parts->buffer;
        int failed = buffer_put(out, "@v", 2) < 0 || buffer_put_number(out, 0, PyLong_AsLongLong(number), ';') < 0;
        int unread = failed ? -1 : PySet_Discard(loop->unread, key);
        told = unread < 0 ? -1 : !unread;
    }
    Py_XDECREF(key);
    return PyErr_Occurred() ? -1 : told;
}

static int
list_hubs(Loop *loop)
{
    Py_XSETREF(loop->hub_links, PyList_New(0));
    PyObject *hub, *key;
    Py_ssize_t place = 0;
    while (loop->hub_links != NULL && PyDict_Next(loop->hubs, &place, &key, &hub)) {
        PyObject *links = PyObject_GetAttrString(hub, "links");
        Memo *memo = links == NULL ? NULL : memo_from(links);
        if (memo == NULL || PyList_Append(loop->hub_links, (PyObject *)memo) < 0) {
            Py_CLEAR(loop->hub_links);
        }
        Py_XDECREF(links);
        Py_XDECREF(memo);
    }
    return loop->hub_links == NULL ? -1 : 0;
}

static int
met_by_hub(Loop *loop, PyObject *obj)
{
    if ((loop->hub_links == NULL || PyList_GET_SIZE(loop->hub_links) != PyDict_GET_SIZE(loop->hubs)) && list_hubs(loop) < 0) {
        return -1;
    }
    for (Py_ssize_t place = 0; place < PyList_GET_SIZE(loop->hub_links); place++) {
        Slot *slot = memo_find((Memo *)PyList_GET_ITEM(loop->hub_links, place), (uintptr_t)obj);
        if (slot != NULL) {
            Buffer *out = &loop->parts->buffer;
            int failed = buffer_put_number(out, '@', place, ',') < 0 || buffer_put_number(out, 0, slot->value, ';') < 0;
            return failed ? -1 : 1;
        }
    }
    return 0;
}

int
is_static(Loop *loop, PyObject *obj)
{
    if (loop->static_size != PySet_GET_SIZE(loop->static_ids)) { /* it grows with the types that are met */
        loop->static_size = PySet_GET_SIZE(loop->static_ids);
        loop->static_asked = 0;
    }
    if (++loop->static_asked < STATICS_ASKED) {
        PyObject *key = PyLong_FromVoidPtr(obj);
        int found = key == NULL ? -1 : PySet_Contains(loop->static_ids, key);
        Py_XDECREF(key);
        return found;
    }
    if (loop->statics == NULL || loop->statics->count != PySet_GET_SIZE(loop->static_ids)) {
        PyObject *iterator = PyObject_GetIter(loop->static_ids), *key;
        Py_XSETREF(loop->statics, (Memo *)MemoType.tp_alloc(&MemoType, 0));
        while (iterator != NULL && loop->statics != NULL && (key = PyIter_Next(iterator)) != NULL) {
            PyObject_SetItem((PyObject *)loop->statics, key, key);
            PyErr_Clear(); /* an id is an address, and no more is asked of it */
            Py_DECREF(key);
        }
        Py_XDECREF(iterator);
        if (loop->statics == NULL || PyErr_Occurred()) {
            return -1;
        }
    }
    return memo_find(loop->statics, (uintptr_t)obj) != NULL;
}

static int
met_before(Loop *loop, PyObject *obj)
{
    Buffer *out = &loop->parts->buffer;
    Slot *slot = memo_find(loop->memo, (uintptr_t)obj);
    if (slot != NULL) {
        return buffer_put_number(out, '@', slot->value, ';') < 0 ? -1 : 1;
    }
    int met = PyDict_GET_SIZE(loop->attributes) ? met_as_attributes(loop, obj) : 0;
    if (!met && PyDict_GET_SIZE(loop->hubs)) {
        met = met_by_hub(loop, obj);
    }
    if (!met && loop->constants != Py_None && obj != loop->root && PySet_GET_SIZE(loop->static_ids)) {
        met = is_static(loop, obj);
        if (met > 0 && (buffer_put(out, "#", 1) < 0 || PyList_Append(loop->constants, obj) < 0)) {
            met = -1;
        }
    }
    return met;
}

/* -- one object ---------------------------------------------------------------------------------------- */

static int
put_bytes(Loop *loop, PyObject *bytes)
{
    return buffer_put(&loop->parts->buffer, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* A class that goes by its name adds the same bytes each time. */
static int
note_class_bytes(Loop *loop, PyObject *cls)
{
    Kind *own = kinds_get(&loop->kinds, (PyTypeObject *)cls);
    int active = own == NULL ? -1 : Py_TYPE(cls) == &PyType_Type ? 0 : has_active_metaclass(loop, own);
    if (active) { /* to look it up would run code of the notebook's */
        return active < 0 ? -1 : 0;
    }
    PyObject *bytes = PyDict_GetItemWithError(loop->class_bytes, cls);
    if (bytes != NULL && PyBytes_CheckExact(bytes)) {
        Py_XSETREF(own->reference, Py_NewRef(bytes));
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* What stands for a function, or for a class that runs nobody's code when it is looked up, if another visit of this judgement
 * has found that it goes by reference: borrowed; NULL: not known, or an error.
 */
static PyObject *
known_reference(Loop *loop, PyObject *obj)
{
    PyObject *found = PyDict_GetItemWithError(loop->references, obj);
    if (found == NULL && !PyErr_Occurred()) {
        found = PyDict_GetItemWithError(loop->shared_references, obj);
        if (found != NULL && PyDict_SetItem(loop->references, obj, found) < 0) {
            return NULL;
        }
    }
    return found != NULL && PyBytes_CheckExact(found) ? found : NULL;
}

/* What stands for a class that a variable is bound to, or for a member of one that is an enum, if another walk of this
 * judgement has met it: 1, written; 0: none has; -1: an error. Where this walk began it is no other variable's.
 */
static int
put_bound(Loop *loop, PyObject *obj, int is_class)
{
    if (Py_TYPE(Py_TYPE(obj)) == &PyType_Type && !is_class) { /* no class, and of none that has a metaclass */
        return 0;
    }
    if (obj == loop->began_with || (!is_class && (void *)Py_TYPE(obj) == loop->began_with)) {
        return 0;
    }
    PyObject *key = PyLong_FromVoidPtr(obj), *known = key == NULL ? NULL : PyDict_GetItemWithError(loop->bound, key);
    Py_XDECREF(key);
    if (known == NULL || !PyTuple_CheckExact(known) || PyTuple_GET_SIZE(known) != 3) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *written = PyTuple_GET_ITEM(known, 1); /* behind the object itself, which is kept alive */
    if (!PyBytes_CheckExact(written) || PySet_Add(loop->bound_classes, PyTuple_GET_ITEM(known, 2)) < 0) {
        return -1;
    }
    return put_bytes(loop, written) < 0 ? -1 : 1;
}

static int
visit_other(Loop *loop, PyObject *obj)
{
    if (loop->walk == NULL) {
        return nobody_to_ask();
    }
    if (Py_TYPE(obj)->tp_call != NULL && Py_TYPE(obj)->tp_hash == PyBaseObject_Type.tp_hash && !PyType_Check(obj)) {
        PyObject *reference = known_reference(loop, obj);
        if (reference != NULL || PyErr_Occurred()) {
            return reference == NULL ? -1 : put_bytes(loop, reference);
        }
    }
    int is_class = PyType_Check(obj);
    Kind *kind = kinds_get(&loop->kinds, is_class ? (PyTypeObject *)obj : Py_TYPE(obj));
    if (kind == NULL) {
        return -1;
    }
    if (is_class && kind->reference != NULL) {
        return put_bytes(loop, kind->reference);
    }
    if (is_class && Py_TYPE(obj) == &PyType_Type) { /* else to look it up may run code */
        Kind *classes = kinds_get(&loop->kinds, &PyType_Type);
        int met = classes != NULL && classes->handler != NULL; /* `type` is among the kinds that were met */
        kind->reference = met ? Py_XNewRef(known_reference(loop, obj)) : NULL;
        if (kind->reference != NULL || PyErr_Occurred()) {
            return kind->reference == NULL ? -1 : put_bytes(loop, kind->reference);
        }
    }
    if (is_class && (kind = kinds_get(&loop->kinds, Py_TYPE(obj))) == NULL) {
        return -1;
    }
    if (kind->handler == NULL && find_handler(loop, kind, obj) < 0) {
        return -1;
    }
    if (kind->simple) {
        return visit_simple(loop, obj, kind);
    }
    if (kind->told) {
        return visit_told(loop, obj, kind);
    }
    if (kind->state) {
        return visit_by_state(loop, obj, kind);
    }
    if (kind->is_array) {
        return visit_array(loop, obj, kind);
    }
    int written = kind->is_function ? visit_function(loop, obj) : put_bound(loop, obj, is_class);
    if (written) {
        return written < 0 ? -1 : 0;
    }
    if (kind->is_member) {
        return visit_member(loop, obj, kind);
    }
    if (kind->is_scalar) {
        return visit_scalar(loop, obj, kind);
    }
    if (PyMethod_Check(obj)) {
        return visit_method(loop, obj, kind);
    }
    if (number_it(loop, obj) < 0 || ask_handler(loop, kind->handler, obj) < 0) {
        return -1;
    }
    return is_class ? note_class_bytes(loop, obj) : 0;
}

static int
visit(Loop *loop, PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    int written = write_atom(&loop->parts->buffer, obj);
    if (written != NOT_PLAIN) {
        return written == WRITTEN ? 0 : -1;
    }
    if (Py_TYPE(type) != &PyType_Type) {
        if (loop->walk == NULL) {
            return nobody_to_ask();
        }
        Kind *kind = kinds_get(&loop->kinds, type);
        int active = kind == NULL ? -1 : has_active_metaclass(loop, kind);
        if (active) {
            PyObject *done = active < 0 ? NULL : PyObject_CallMethod(loop->walk, "walk_failed", "(O)", obj);
            Py_XDECREF(done);
            return done == NULL ? -1 : 0;
        }
    }
    int met = met_before(loop, obj);
    if (met) {
        return met < 0 ? -1 : 0;
    }
    if (type == &PyList_Type || type == &PyTuple_Type) {
        return visit_sequence(loop, obj);
    }
    if (type == &PyDict_Type) {
        return visit_dict(loop, obj);
    }
    if (type == &PySet_Type || type == &PyFrozenSet_Type) {
        return visit_set(loop, obj);
    }
    return visit_other(loop, obj);
}

/* -- the loop ------------------------------------------------------------------------------------------ */

/* Lets others have a word: who wants the walk to stop, who waits for the interpreter. */
static int
pause_if_due(Loop *loop, size_t steps, PyObject *abandoned)
{
    if (loop->parts->buffer.length > FLUSH_AT && parts_flush(loop->parts) < 0) {
        return -1;
    }
    if (steps & STEPS_BETWEEN_STOPS) {
        return 0;
    }
    if (loop->should_stop != Py_None) {
        PyObject *answer = PyObject_CallNoArgs(loop->should_stop);
        int stop = answer == NULL ? -1 : PyObject_IsTrue(answer);
        Py_XDECREF(answer);
        if (stop > 0) {
            PyErr_SetNone(abandoned);
        }
        return stop ? -1 : 0;
    }
    if (!(steps & STEPS_BETWEEN_PAUSES)) {
        Py_BEGIN_ALLOW_THREADS
        Py_END_ALLOW_THREADS
    }
    return 0;
}

static int
walk_on(Loop *loop, PyObject *abandoned)
{
    size_t steps = 0;
    while (loop->stack->count) {
        PyObject *obj = loop->stack->items[--loop->stack->count];
        int failed = pause_if_due(loop, ++steps, abandoned), heard = failed || steps & STEPS_BETWEEN_STOPS ? 0 : PyErr_CheckSignals();
        if (!failed && (heard < 0 || visit(loop, obj) < 0)) {
            failed = is_fatal(abandoned);
            if (!failed) { /* what raises is the user's: a property, a metaclass, a type made in C, a handler of signals */
                PyErr_Clear();
                PyObject *done = PyObject_CallMethod(loop->walk, "walk_failed", "(O)", obj);
                Py_XDECREF(done);
                failed = done == NULL;
            }
        }
        Py_DECREF(obj);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

static int
take(PyObject *from, const char *name, PyTypeObject *type, void *place)
{
    PyObject *found = from == NULL ? NULL : PyObject_GetAttrString(from, name);
    if (found != NULL && type != NULL && !PyObject_TypeCheck(found, type)) {
        PyErr_Format(PyExc_TypeError, "%s of a walk is of another kind", name);
        Py_CLEAR(found);
    }
    *(PyObject **)place = found;
    return found == NULL ? -1 : 0;
}

static int
begin(Loop *loop, PyObject *walk)
{
    loop->walk = walk;
    if (take(walk, "parts", &PartsType, &loop->parts) < 0 || take(walk, "memo", &MemoType, &loop->memo) < 0 ||
        take(walk, "stack", &StackType, &loop->stack) < 0 || take(walk, "shared", NULL, &loop->shared) < 0 ||
        take(walk, "handlers", &PyDict_Type, &loop->handlers) < 0 || take(walk, "hubs", &PyDict_Type, &loop->hubs) < 0 ||
        take(walk, "attributes", &PyDict_Type, &loop->attributes) < 0 ||
        take(walk, "unread_attributes", &PySet_Type, &loop->unread) < 0 ||
        take(walk, "static", &PySet_Type, &loop->static_ids) < 0 ||
        take(walk, "class_bytes", &PyDict_Type, &loop->class_bytes) < 0 ||
        take(walk, "natively", &PyTuple_Type, &loop->natively) < 0 ||
        take(walk, "references", &PyDict_Type, &loop->references) < 0 || take(walk, "kept", &PyList_Type, &loop->kept) < 0 ||
        take(walk, "ranges", &PyList_Type, &loop->ranges) < 0 ||
        take(walk, "reducer", NULL, &loop->reducer) < 0 || take(loop->reducer, "private", &PyDict_Type, &loop->private) < 0 ||
        take(loop->reducer, "by_place", &PyDict_Type, &loop->by_place) < 0 ||
        take(loop->reducer, "namespace", NULL, &loop->namespace) < 0 || take(loop->shared, "census", NULL, &loop->census) < 0 ||
        take(loop->shared, "references", &PyDict_Type, &loop->shared_references) < 0 ||
        take(loop->shared, "resolved", &PyDict_Type, &loop->resolved) < 0 ||
        take(loop->shared, "bound_bytes", &PyDict_Type, &loop->bound) < 0 ||
        take(walk, "static_parts", &PySet_Type, &loop->static_parts) < 0 ||
        take(walk, "bound_classes", &PySet_Type, &loop->bound_classes) < 0 ||
        take(walk, "codes", &PySet_Type, &loop->codes) < 0 || take(walk, "makers", &PyTuple_Type, &loop->makers) < 0 ||
        take(loop->reducer, "shells", &PySet_Type, &loop->shells) < 0 ||
        take(walk, "members", &PyDict_Type, &loop->members) < 0 || take(loop->shared, "methods", &PyDict_Type, &loop->methods) < 0 ||
        take(loop->shared, "should_stop", NULL, &loop->should_stop) < 0) {
        return -1;
    }
    PyObject *began_with = PyObject_GetAttrString(walk, "began_with");
    loop->began_with = began_with == NULL ? NULL : PyLong_AsVoidPtr(began_with);
    Py_XDECREF(began_with);
    if (PyErr_Occurred()) {
        return -1;
    }
    int parsed = PyArg_ParseTuple(
        loop->natively, "OOOOOOOOOOO", &loop->simple, &loop->simple_value, &loop->told, &loop->told_value, &loop->reduced,
        &loop->reduced_value, &loop->by_state, &loop->array, &loop->function, &loop->member, &loop->scalar
    );
    return parsed ? 0 : -1;
}

static void
end(Loop *loop)
{
    PyObject *held[] = {
        (PyObject *)loop->parts, (PyObject *)loop->memo, (PyObject *)loop->stack, (PyObject *)loop->statics, loop->shared,
        loop->handlers,          loop->hubs,             loop->attributes,        loop->unread,              loop->static_ids,
        loop->class_bytes,       loop->should_stop,      loop->census,            loop->reducer,             loop->namespace,
        loop->natively,          loop->hub_links,        loop->references,        loop->kept,                loop->private,
        loop->by_place,          loop->ranges,           loop->shared_references, loop->resolved,          loop->bound,
        loop->static_parts,      loop->bound_classes,    loop->shells,            loop->codes,             loop->makers,
        loop->members,           loop->methods,
    };
    for (size_t place = 0; place < sizeof(held) / sizeof(*held); place++) {
        Py_XDECREF(held[place]);
    }
    for (int place = 0; place < loop->dtypes_count; place++) {
        Py_DECREF(loop->dtypes[place][0]);
        Py_DECREF(loop->dtypes[place][1]);
    }
    kinds_free(&loop->kinds);
    buffer_free(&loop->scratch);
    buffer_free(&loop->items);
}

/* run(walk, root, constants, abandoned): walks on from `root`. */
PyObject *
walk_run(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "run takes a walk, a root, a list of constants and what is raised where it is to stop");
        return NULL;
    }
    Loop loop = {.root = arguments[1], .constants = arguments[2]};
    int failed = begin(&loop, arguments[0]) < 0 || stack_reserve(loop.stack, 1) < 0;
    if (!failed) {
        stack_push(loop.stack, loop.root);
        failed = walk_on(&loop, arguments[3]) < 0;
    }
    PyObject *type, *value, *trace; /* what goes now may run destructors */
    PyErr_Fetch(&type, &value, &trace);
    end(&loop);
    PyErr_Restore(type, value, trace);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* -- what is small and plain --------------------------------------------------------------------------- */

static int
walk_few(Loop *loop, PyObject *root)
{
    if (stack_reserve(loop->stack, 1) < 0) {
        return -1;
    }
    stack_push(loop->stack, root);
    for (int steps = 0; loop->stack->count; steps++) {
        PyObject *obj = loop->stack->items[--loop->stack->count];
        int few = steps < SMALL_MOST && !(PyUnicode_CheckExact(obj) && PyUnicode_GET_LENGTH(obj) > SMALL_TEXT);
        int failed = few ? visit(loop, obj) : nobody_to_ask(); /* what is large is not to be read twice */
        Py_DECREF(obj);
        if (failed < 0) {
            return -1;
        }
    }
    return 0;
}

/* What a walk finds from here: the digest and the links. None: it is not so. */
static PyObject *
found_by(Loop *loop, PyObject *root)
{
    PyObject *written = NULL, *digest = NULL, *found = NULL;
    if (walk_few(loop, root) == 0) {
        written = PyBytes_FromStringAndSize(loop->parts->buffer.data, (Py_ssize_t)loop->parts->buffer.length);
        digest = written == NULL ? NULL : PyObject_CallOneArg(xxh3_128_digest, written);
        found = digest == NULL ? NULL : PyTuple_Pack(2, digest, (PyObject *)loop->memo);
        Py_XDECREF(written);
        Py_XDECREF(digest);
        return found;
    }
    PyErr_Clear(); /* whatever it is: the whole walk meets it, too */
    return Py_NewRef(Py_None);
}

/* small(root, handlers, namespace): the walk of a container, where all that it leads to is a few containers of atoms: they
 * need no walk in Python. Nobody calls the `handlers`; there are some for the types of containers.
 */
PyObject *
walk_small(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3 || !PyDict_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "small takes a container, handlers and the namespace");
        return NULL;
    }
    PyObject *none_yet = PyDict_New(), *found = NULL;
    Loop loop = {
        .root = arguments[0], .constants = Py_None, .census = Py_None, .handlers = arguments[1], .namespace = arguments[2],
        .attributes = none_yet, .hubs = none_yet, .parts = (Parts *)PartsType.tp_alloc(&PartsType, 0),
        .memo = (Memo *)MemoType.tp_alloc(&MemoType, 0), .stack = (Stack *)StackType.tp_alloc(&StackType, 0),
    };
    if (none_yet != NULL && loop.parts != NULL && loop.memo != NULL && loop.stack != NULL) {
        found = found_by(&loop, arguments[0]);
    }
    Py_XDECREF(none_yet);
    Py_XDECREF(loop.parts);
    Py_XDECREF(loop.memo);
    Py_XDECREF(loop.stack);
    kinds_free(&loop.kinds);
    buffer_free(&loop.scratch);
    buffer_free(&loop.items);
    return found;
}
