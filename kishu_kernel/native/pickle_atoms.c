/* The frames of the native pickler's stream, and how atoms are written: as pickle's pickler does. */
#include "pickle.h"

/* -- frames --------------------------------------------------------------------------------------------- */

void
close_frame(Pickling *p)
{
    if (p->frame == 0) {
        return;
    }
    char *start = p->out.data + p->frame - 1;
    uint64_t length = p->out.length - (p->frame - 1) - FRAME_HEADER;
    if (length >= FRAME_LEAST) {
        *start = (char)FRAME;
        for (int place = 0; place < 8; place++) {
            start[1 + place] = (char)(length >> (8 * place));
        }
    }
    else {
        memmove(start, start + FRAME_HEADER, (size_t)length);
        p->out.length -= FRAME_HEADER;
    }
    p->frame = 0;
}

int
grow(Pickling *p, size_t more)
{
    size_t capacity = p->out.capacity + p->out.capacity / 2, wanted = p->out.length + more;
    capacity = capacity < wanted ? wanted + 256 : capacity;
    if (capacity > PY_SSIZE_T_MAX / 2 || _PyBytes_Resize(&p->stream, (Py_ssize_t)capacity) < 0) {
        if (p->stream != NULL) {
            PyErr_NoMemory();
        }
        return FAILED;
    }
    p->out.data = PyBytes_AS_STRING(p->stream);
    p->out.capacity = capacity;
    return WRITTEN;
}

/* -- atoms -------------------------------------------------------------------------------------------- */

/* One of more than 64 bits. By C alone: what the collector tracks might start a collection. */
static int
save_large_int(Pickling *p, PyObject *obj, int negative)
{
#if PY_VERSION_HEX >= 0x030D0000
    Py_ssize_t length = PyLong_AsNativeBytes(obj, NULL, 0, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
    Py_ssize_t length = (Py_ssize_t)(_PyLong_NumBits(obj) / 8 + 1);
#endif
    if (length <= 0 || length > 0x7fffffff) {
        return length < 0 ? FAILED : NOT_PLAIN;
    }
    unsigned char *data = PyMem_Malloc((size_t)length);
    if (data == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
#if PY_VERSION_HEX >= 0x030D0000
    int done = PyLong_AsNativeBytes(obj, data, length, Py_ASNATIVEBYTES_LITTLE_ENDIAN) < 0 ? FAILED : WRITTEN;
#else
    int done = _PyLong_AsByteArray((PyLongObject *)obj, data, (size_t)length, 1, 1) < 0 ? FAILED : WRITTEN;
#endif
    if (done == WRITTEN && negative && data[length - 1] == 0xff && data[length - 2] & 0x80) {
        length--; /* the byte before it has the sign, too */
    }
    if (done == WRITTEN) {
        done = length < 256 ? put_number(p, LONG1, (uint64_t)length, 1) : put_number(p, LONG4, (uint64_t)length, 4);
    }
    done = done == WRITTEN ? put(p, data, (size_t)length) : done;
    PyMem_Free(data);
    return done;
}

int
save_int(Pickling *p, PyObject *obj)
{
    int overflow = 0;
    long long value = PyLong_AsLongLongAndOverflow(obj, &overflow);
    if (overflow) {
        return save_large_int(p, obj, overflow < 0);
    }
    if (value <= 0x7fffffffLL && value >= -0x7fffffffLL - 1) {
        uint32_t bits = (uint32_t)(int32_t)value;
        return bits < 1 << 8 ? put_number(p, INT1, bits, 1) : bits < 1 << 16 ? put_number(p, INT2, bits, 2) : put_number(p, INT4, bits, 4);
    }
    int bytes = 8;
    while (bytes > 1 && value >> (8 * bytes - 9) == (value < 0 ? -1 : 0)) { /* the last bit is that of the sign */
        bytes--;
    }
    char data[10] = {(char)LONG1, (char)bytes};
    for (int place = 0; place < bytes; place++) {
        data[2 + place] = (char)((uint64_t)value >> (8 * place));
    }
    return put(p, data, (size_t)bytes + 2);
}

int
save_float(Pickling *p, PyObject *obj)
{
    double value = PyFloat_AS_DOUBLE(obj);
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    char data[9] = {FLOAT};
    for (int place = 0; place < 8; place++) {
        data[1 + place] = (char)(bits >> (56 - 8 * place));
    }
    return put(p, data, sizeof(data));
}

/* Text, or bytes: codes for short, usual and very long ones. */
static int
put_long(Pickling *p, const unsigned char *codes, const char *data, size_t length)
{
    int large = length >= FRAME_TARGET;
    if (large) { /* stands outside of all frames */
        close_frame(p);
        p->framing = 0;
    }
    int width = length < 256 ? 1 : length <= 0xffffffffu ? 4 : 8;
    int done = put_number(p, codes[width == 1 ? 0 : width == 4 ? 1 : 2], length, width);
    done = done < 0 ? done : put(p, data, length);
    p->framing = 1;
    return done;
}

/* Room is looked for once, and not for each part. */
static int
put_short(Pickling *p, PyObject *obj, size_t length)
{
    if (make_room(p, length + 2) < 0) {
        return FAILED;
    }
    char *out = p->out.data + p->out.length;
    out[0] = (char)TEXT1;
    out[1] = (char)length;
    memcpy(out + 2, PyUnicode_DATA(obj), length);
    p->out.length += length + 2;
    return WRITTEN;
}

int
save_text(Pickling *p, PyObject *obj)
{
    static const unsigned char codes[] = {TEXT1, TEXT4, TEXT8};
    int done;
    if (PyUnicode_IS_COMPACT_ASCII(obj) && PyUnicode_GET_LENGTH(obj) < 256) {
        done = put_short(p, obj, (size_t)PyUnicode_GET_LENGTH(obj));
    }
    else if (PyUnicode_IS_COMPACT_ASCII(obj)) {
        done = put_long(p, codes, PyUnicode_DATA(obj), (size_t)PyUnicode_GET_LENGTH(obj));
    }
    else {
        PyObject *encoded = PyUnicode_AsEncodedString(obj, "utf-8", "surrogatepass"); /* keeps nothing in the text */
        if (encoded == NULL) {
            return FAILED;
        }
        done = put_long(p, codes, PyBytes_AS_STRING(encoded), (size_t)PyBytes_GET_SIZE(encoded));
        Py_DECREF(encoded);
    }
    return done < 0 ? done : memoize(p, obj);
}

int
save_bytes(Pickling *p, PyObject *obj)
{
    static const unsigned char codes[] = {BYTES1, BYTES4, BYTES8};
    int done = put_long(p, codes, PyBytes_AS_STRING(obj), (size_t)PyBytes_GET_SIZE(obj));
    return done < 0 ? done : memoize(p, obj);
}
