/* What the files of the native module share. It is named after the walk, and writes payloads, cuts streams and hears
 * audit events, too. See docs/design/042-native-walker.md, 044 and 046.
 *
 * Law: it writes the very bytes that its twin in Python writes, and where it does not know better it asks that. No
 * borrowed reference is used after anything has run that may run code: what is borrowed is read in one go.
 */
#ifndef KISHU_NATIVE_H
#define KISHU_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* -- bytes that grow (buffer.c) --------------------------------------------------------------------- */

typedef struct {
    char *data;
    size_t length, capacity;
} Buffer;

int buffer_grow(Buffer *buffer, size_t more);
void buffer_free(Buffer *buffer);
int buffer_put_number(Buffer *buffer, char before, long long number, char after);
int buffer_put_utf8(Buffer *buffer, PyObject *text);
size_t count_bytes(const char *data, size_t length, char wanted);

static inline int
buffer_reserve(Buffer *buffer, size_t more)
{
    return buffer->capacity - buffer->length >= more ? 0 : buffer_grow(buffer, more);
}

static inline int
buffer_put(Buffer *buffer, const void *data, size_t length)
{
    if (buffer_reserve(buffer, length) < 0) {
        return -1;
    }
    if (length) {
        memcpy(buffer->data + buffer->length, data, length);
    }
    buffer->length += length;
    return 0;
}

/* -- memory that is read soon ------------------------------------------------------------------------ */

#define AHEAD 24

static inline void
fetch(const void *place)
{
#if defined(__GNUC__)
    __builtin_prefetch(place); /* no access: any address will do */
    __builtin_prefetch((const char *)place + 64);
#endif
}

/* -- items of a set, without an iterator: to make one may start a collection, which runs code ---------- */

static inline PyObject *
next_in(PySetObject *set, Py_ssize_t *place)
{
    while (*place <= set->mask) {
        setentry *entry = &set->table[(*place)++];
        if (*place + AHEAD <= set->mask) {
            fetch(set->table[*place + AHEAD].key);
        }
        if (entry->key != NULL && entry->hash != -1) {
            return entry->key;
        }
    }
    return NULL;
}

/* -- the twins of `Parts`, `Memo` and `Stack` (parts.c, memo.c, stack.c) ---------------------------- */

typedef struct {
    PyObject_HEAD
    Buffer buffer;
    size_t flushed;
    PyObject *hasher; /* takes what was flushed; NULL: nothing was */
} Parts;

typedef struct {
    uintptr_t key; /* 0: the slot is free */
    int64_t value;
} Slot;

typedef struct {
    PyObject_HEAD
    Slot *slots;
    size_t mask; /* slots less one; 0: there are none */
    Py_ssize_t count;
} Memo;

typedef struct {
    PyObject_HEAD
    PyObject **items;
    Py_ssize_t count, capacity;
} Stack;

Slot *slots_new(size_t count); /* free ones */
void slots_free(Slot *slots, size_t count);

extern PyTypeObject PartsType, MemoType, StackType, OverrideType, ShapeType, LastingType, WatchType;

int parts_flush(Parts *parts);

Slot *memo_find(Memo *memo, uintptr_t key);
int memo_insert(Memo *memo, uintptr_t key, int64_t value); /* `key` must not be there */
Memo *memo_from(PyObject *links);                          /* a new reference, of a Memo or of a dict */

int stack_grow(Stack *stack, Py_ssize_t more);

static inline int
stack_reserve(Stack *stack, Py_ssize_t more)
{
    return stack->capacity - stack->count >= more ? 0 : stack_grow(stack, more);
}

/* Room must have been reserved. */
static inline void
stack_push(Stack *stack, PyObject *item)
{
    stack->items[stack->count++] = Py_NewRef(item);
}

PyObject *links_claim(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *links_join(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *links_meet(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *links_join_two(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* -- digests (xxh3.c, module.c) --------------------------------------------------------------------- */

#define XXH3_MOST 240

uint64_t xxh3_64(const uint8_t *data, size_t length); /* of at most XXH3_MOST bytes */

typedef struct {
    uint64_t low, high;
} Wide;

Wide multiply_wide(uint64_t one, uint64_t other);

extern PyObject *xxh3_128_digest, *xxh3_64_intdigest, *xxh3_128_stream, *copyreg_newobj;

int put_digest(Buffer *buffer, const char *data, size_t length);

/* -- attributes of instances, without making a `__dict__` (attributes.c) ---------------------------- */

#define INLINE_MOST 30

typedef struct {
    PyObject *dict;    /* a new reference, where they stand in one; else NULL */
    int shared;        /* something else holds it, too, or it is of a class of its own */
    Py_ssize_t count;  /* of those that stand in the instance; names and values are borrowed */
    PyObject *names[INLINE_MOST], *values[INLINE_MOST];
} Attributes;

int attributes_readable(PyTypeObject *kind);
int attributes_read(PyObject *obj, Attributes *found);
void attributes_hold(Attributes *found);
void attributes_release(Attributes *found);
int attributes_are_inline(PyObject *obj);
PyObject *attributes_peek(PyObject *module, PyObject *obj);
PyObject *attributes_untouched(PyObject *module, PyObject *obj);
PyObject *attributes_settle(PyObject *module, PyObject *objects);

/* -- how content is written (atoms.c, sequences.c, sets.c) ------------------------------------------ */

#define LONG_SEQUENCE 2048 /* as `sequence_cache.LONG` */
#define HEAVY_BYTES (64 << 20)

enum { PLAIN_NONE = 1, PLAIN_BOOL = 2, PLAIN_INT = 4, PLAIN_FLOAT = 8, PLAIN_STR = 16, PLAIN_BYTES = 32, PLAIN_COMPLEX = 64 };

static inline int
plain_kind(PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
    if (kind == &PyUnicode_Type) {
        return PLAIN_STR;
    }
    if (kind == &PyLong_Type) {
        return PLAIN_INT;
    }
    if (kind == &PyFloat_Type) {
        return PLAIN_FLOAT;
    }
    if (obj == Py_None) {
        return PLAIN_NONE;
    }
    if (kind == &PyBool_Type) {
        return PLAIN_BOOL;
    }
    if (kind == &PyBytes_Type) {
        return PLAIN_BYTES;
    }
    return kind == &PyComplex_Type ? PLAIN_COMPLEX : 0;
}

enum { FAILED = -1, NOT_PLAIN = 0, WRITTEN = 1, ASK_PYTHON = 2 };

int write_atom(Buffer *out, PyObject *obj); /* NOT_PLAIN: it is no atom */
int write_text(Buffer *out, char tag, const char *data, size_t length);
int write_repr(Buffer *out, PyObject *obj);
int write_plain(Buffer *out, Buffer *scratch, PyObject *const *items, Py_ssize_t count);
int write_set(Buffer *out, Buffer *scratch, PyObject *set);

PyObject *sequence_content(PyObject *module, PyObject *items); /* long_sequences.c */
PyObject *sequence_holds(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *sequence_untrack(PyObject *module, PyObject *items);

/* -- the loop (walk.c, kinds.c) --------------------------------------------------------------------- */

typedef struct {
    PyTypeObject *kind;
    PyObject *handler;   /* NULL: not asked for yet */
    PyObject *reference; /* bytes: all that a visit of this class itself adds; NULL: not known */
    char harmless;       /* its metaclass runs no code; asked once a metaclass */
    char simple;         /* 1: an instance is its attributes; 2: and is a value */
    char told;           /* 1: a pickler's usual way tells an instance wholly; 2: and it is a value; 3, 4: its reduction does */
    char state;          /* its own `__getstate__` tells an instance */
    char is_array, is_function, is_member, is_scalar;
    PyObject *rule;      /* by which instances come apart, of which the table tells; NULL: the table is asked */
    PyObject *beginning; /* bytes: how a number of NumPy's begins its text; None: it is for Python; NULL: not asked yet */
    PyObject **names;    /* of the last instance; strong references */
    Py_ssize_t names_count;
    char *text; /* how these names are written */
    size_t text_length;
} Kind;

typedef struct {
    Kind **slots;
    size_t mask, count;
    Kind *last;
} Kinds;

Kind *kinds_get(Kinds *kinds, PyTypeObject *kind);
void kinds_free(Kinds *kinds);
int kind_put_names(Kind *kind, Buffer *out, Buffer *scratch, PyObject *const *names, Py_ssize_t count);

PyObject *told_state(PyObject *module, PyObject *obj); /* states.c */
PyObject *state_told_by(PyObject *obj, PyObject **left);
PyObject *hidden_not_told_by(PyObject *module, PyObject *const *arguments, Py_ssize_t count); /* hidden.c */
PyObject *reduction_by_rule(PyObject *obj, PyObject *rule); /* rules.c; NULL without an error: the rule says nothing of it */
int states_begin(void);
int functions_begin(void);

PyObject *walk_run(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *walk_small(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* -- what was walked is known again (shape.c, shown.c) ------------------------------------------------- */

#define SHAPE_NODES 1024
#define SHAPE_WORDS (8 * SHAPE_NODES) /* what would show more is not read at all */

typedef struct {
    Buffer words;    /* what is compared: addresses and numbers */
    Buffer children; /* the objects among them, borrowed */
    int shared;      /* something else may hold what an object has its attributes in */
} Shown;

enum { SHOWN_NOT = 0, SHOWN_ATOM, SHOWN_NOTHING, SHOWN_NODE, SHOWN_CODE, SHOWN_CLASS, SHOWN_WHOLE, SHOWN_NAMED, SHOWN_MADE_IN_C, SHOWN_MODULE };

PyObject *home_of_class(PyTypeObject *kind);
int shown_kind(PyObject *obj);
int shown_read(PyObject *obj, int shown, Shown *into);
int shown_put_word(Shown *into, uintptr_t word);
int shown_put_object(Shown *into, PyObject *obj); /* which is read, too; NULL: there is none */
int shown_put_attributes(Shown *into, PyObject *dict);
void made_in_c_begin(void);
int is_made_in_c(PyTypeObject *kind);
int made_in_c_read(PyObject *obj, Shown *into);
PyObject *shape_of(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* -- what places hold is as it was (watch.c) ------------------------------------------------------------- */

PyObject *watch_parts(PyObject *module, PyObject *parts);
PyObject *watch_broken(PyObject *module, PyObject *watches);

/* -- payloads (pickle.c, load.c, cuts.c, packed.c) ------------------------------------------------------------------ */

PyObject *cuts_find(PyObject *module, PyObject *arguments);
PyObject *seams_find(PyObject *module, PyObject *data);
PyObject *packed_pack(PyObject *module, PyObject *arguments);
PyObject *packed_unpack(PyObject *module, PyObject *arguments);
PyObject *stream_load(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *pickle_plain(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* -- texts that are stored as one (texts.c, written_texts.c) ------------------------------------------- */

PyObject *texts_fill(PyObject *module, PyObject *arguments);
PyObject *texts_join(PyObject *module, PyObject *arguments);
PyObject *texts_number(PyObject *module, PyObject *arguments);

/* -- the audit hook (audit.c) ----------------------------------------------------------------------- */

PyObject *audit_hear(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* -- names, without a walk (names.c) ----------------------------------------------------------------- */

PyObject *names_ids_of_others(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *near_met(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *names_holds_of(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *names_is_data(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *names_bound_among(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *names_unsorted(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *names_type_version(PyObject *module, PyObject *type);
unsigned long type_version(PyTypeObject *type);
unsigned long long dict_version(PyObject *dict);
PyObject *names_dict_version(PyObject *module, PyObject *dict);
PyObject *names_rebound(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
