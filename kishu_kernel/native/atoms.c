/* How atoms are written, and their `repr`: as `detect.atoms.ATOMS` and as Python do. */
#include "native.h"

#define LONG_TEXT 65536
#define LONG_PIECE 256

int
put_digest(Buffer *buffer, const char *data, size_t length)
{
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)length);
    PyObject *found = bytes == NULL ? NULL : PyObject_CallOneArg(xxh3_128_digest, bytes);
    int failed = found == NULL || buffer_put(buffer, PyBytes_AS_STRING(found), (size_t)PyBytes_GET_SIZE(found)) < 0;
    Py_XDECREF(bytes);
    Py_XDECREF(found);
    return failed ? -1 : 0;
}

/* As `Walk.text`. Other code may run when the digest is taken: `data` must be nobody else's. */
int
write_text(Buffer *out, char tag, const char *data, size_t length)
{
    if (buffer_put_number(out, tag, (long long)length, ':') < 0) {
        return -1;
    }
    return length < LONG_PIECE ? buffer_put(out, data, length) : put_digest(out, data, length);
}

static int
write_long_text(Buffer *out, char tag, const char *data, size_t length)
{
    if (buffer_put_number(out, tag, (long long)length, ':') < 0) {
        return -1;
    }
    return length < LONG_TEXT ? buffer_put(out, data, length) : put_digest(out, data, length);
}

static int
write_str(Buffer *out, PyObject *obj)
{
    if (PyUnicode_IS_COMPACT_ASCII(obj)) {
        return write_long_text(out, 's', PyUnicode_DATA(obj), (size_t)PyUnicode_GET_LENGTH(obj));
    }
    PyObject *encoded = PyUnicode_AsEncodedString(obj, "utf-8", "surrogatepass");
    if (encoded == NULL) {
        return -1;
    }
    int failed = write_long_text(out, 's', PyBytes_AS_STRING(encoded), (size_t)PyBytes_GET_SIZE(encoded));
    Py_DECREF(encoded);
    return failed;
}

static int
write_int(Buffer *out, PyObject *obj)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(obj, &overflow);
    if (overflow) {
        PyObject *text = PyNumber_ToBase(obj, 16);
        if (text == NULL) {
            return -1;
        }
        const char *digits = PyUnicode_DATA(text);
        int negative = digits[0] == '-';
        int failed = buffer_put(out, negative ? "i-" : "i", negative ? 2 : 1) < 0 ||
                     buffer_put(out, digits + 2 + negative, (size_t)PyUnicode_GET_LENGTH(text) - 2 - negative) < 0 ||
                     buffer_put(out, ";", 1) < 0;
        Py_DECREF(text);
        return failed ? -1 : 0;
    }
    char digits[24], *start = digits + sizeof(digits);
    unsigned long long rest = number < 0 ? 0ULL - (unsigned long long)number : (unsigned long long)number;
    *--start = ';';
    do {
        *--start = "0123456789abcdef"[rest & 15];
        rest >>= 4;
    } while (rest);
    if (number < 0) {
        *--start = '-';
    }
    *--start = 'i';
    return buffer_put(out, start, (size_t)(digits + sizeof(digits) - start));
}

static int
write_doubles(Buffer *out, char tag, const double *numbers, int count)
{
    uint8_t bytes[17] = {(uint8_t)tag};
    for (int place = 0; place < count; place++) {
        uint64_t bits;
        memcpy(&bits, &numbers[place], sizeof(bits));
        for (int byte = 0; byte < 8; byte++) {
            bytes[1 + place * 8 + byte] = (uint8_t)(bits >> (8 * byte));
        }
    }
    return buffer_put(out, bytes, (size_t)(1 + 8 * count));
}

/* `obj` must be held by the caller: of a long one a digest is taken. */
int
write_atom(Buffer *out, PyObject *obj)
{
    int failed;
    double numbers[2];
    switch (plain_kind(obj)) {
    case PLAIN_STR:
        failed = write_str(out, obj);
        break;
    case PLAIN_INT:
        failed = write_int(out, obj);
        break;
    case PLAIN_FLOAT:
        numbers[0] = PyFloat_AS_DOUBLE(obj);
        failed = write_doubles(out, 'D', numbers, 1);
        break;
    case PLAIN_NONE:
        failed = buffer_put(out, "0", 1);
        break;
    case PLAIN_BOOL:
        failed = buffer_put(out, obj == Py_True ? "T" : "f", 1);
        break;
    case PLAIN_BYTES:
        failed = write_long_text(out, 'x', PyBytes_AS_STRING(obj), (size_t)PyBytes_GET_SIZE(obj));
        break;
    case PLAIN_COMPLEX:
        numbers[0] = PyComplex_RealAsDouble(obj);
        numbers[1] = PyComplex_ImagAsDouble(obj);
        failed = write_doubles(out, 'C', numbers, 2);
        break;
    default:
        if (obj != Py_Ellipsis && obj != Py_NotImplemented) {
            return NOT_PLAIN;
        }
        failed = buffer_put(out, obj == Py_Ellipsis ? "." : "!", 1);
    }
    return failed ? FAILED : WRITTEN;
}

static int
repr_is_itself(PyObject *text)
{
    if (!PyUnicode_IS_COMPACT_ASCII(text)) {
        return 0;
    }
    const unsigned char *data = PyUnicode_DATA(text);
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    for (Py_ssize_t place = 0; place < length; place++) {
        if (data[place] < 0x20 || data[place] > 0x7e || data[place] == '\\' || data[place] == '\'') {
            return 0;
        }
    }
    return 1;
}

/* The repr of a plain atom in UTF-8. No code runs meanwhile, so that what is borrowed stays: `PyObject_Repr`, and the
 * digits of a large int, would look for signals.
 */
int
write_repr(Buffer *out, PyObject *obj)
{
    int failed;
    switch (plain_kind(obj)) {
    case PLAIN_STR:
        if (repr_is_itself(obj)) {
            size_t length = (size_t)PyUnicode_GET_LENGTH(obj);
            if (buffer_reserve(out, length + 2) < 0) {
                return FAILED;
            }
            char *place = out->data + out->length;
            place[0] = '\'';
            memcpy(place + 1, PyUnicode_DATA(obj), length);
            place[length + 1] = '\'';
            out->length += length + 2;
            return WRITTEN;
        }
        break;
    case PLAIN_INT: {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(obj, &overflow);
        return overflow ? ASK_PYTHON : buffer_put_number(out, 0, number, 0) < 0 ? FAILED : WRITTEN;
    }
    case PLAIN_FLOAT: {
        char *text = PyOS_double_to_string(PyFloat_AS_DOUBLE(obj), 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
        failed = text == NULL || buffer_put(out, text, strlen(text)) < 0;
        PyMem_Free(text);
        return failed ? FAILED : WRITTEN;
    }
    case PLAIN_NONE:
        return buffer_put(out, "None", 4) < 0 ? FAILED : WRITTEN;
    case PLAIN_BOOL:
        return (obj == Py_True ? buffer_put(out, "True", 4) : buffer_put(out, "False", 5)) < 0 ? FAILED : WRITTEN;
    }
    PyObject *text = Py_TYPE(obj)->tp_repr(obj);
    if (text == NULL) {
        return FAILED;
    }
    failed = buffer_put_utf8(out, text);
    Py_DECREF(text);
    return failed ? FAILED : WRITTEN;
}
