/* Array items packed: LZ4 behind a byte shuffle, in blosc2's chunk format. The native twin of `store/format/shuffled`, which
 * says what a frame is.
 *
 * Law: a frame may be anybody's. Nothing outside of it and of the target is read or written, whatever it says. Other threads run.
 */
#include "packed.h"

#define HEADER 32
#define BLOCK (1 << 18) /* bytes that are taken apart together: they stay in the processor's second cache */
#define ONE_STREAM (1 << 16) /* of blocks that are one stream: no match reaches farther */
#define WIDEST 255
#define MOST_STREAMS 16
#define LEAST_STREAM 128 /* bytes */

#define VERSION 5
#define LZ4 1
#define SHUFFLE 1

#define FILTERS 16 /* where they are named */
#define CODEC 22
#define EXTENDED 0x05 /* the header has 32 bytes */
#define COPIED 0x02
#define WHOLE 0x10 /* the blocks are one stream each */
#define SPECIAL 4 /* bits before the kind of a content that is not written out */
#define ZEROS 1
#define REPEATED 3

typedef struct {
    uint8_t *data;
    size_t length, room;
} Output;

static inline void
put_number(uint8_t *at, uint32_t value)
{
    for (int byte = 0; byte < 4; byte++, value >>= 8) {
        at[byte] = (uint8_t)value;
    }
}

static inline int32_t
get_number(const uint8_t *at)
{
    return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

/* -1: there is no room. */
static int
put_stream(Output *out, const uint8_t *block, size_t start, size_t length, uint32_t *table, size_t first_step)
{
    const uint8_t *stream = block + start;
    if (out->room - out->length < 5) {
        return -1;
    }
    uint8_t *head = out->data + out->length;
    out->length += 4;
    if (memcmp(stream, stream + 1, length - 1) == 0) { /* all the same */
        put_number(head, (uint32_t)-(int32_t)stream[0]);
        if (stream[0] != 0) {
            out->data[out->length++] = 1;
        }
        return 0;
    }
    size_t left = out->room - out->length, room = left < length - 1 ? left : length - 1;
    size_t packed = lz4_pack(block, start, length, head + 4, room, table, first_step);
    if (packed == 0) { /* as it is */
        if (left < length) {
            return -1;
        }
        memcpy(head + 4, stream, length);
        packed = length;
    }
    put_number(head, (uint32_t)packed);
    out->length += packed;
    return 0;
}

/* The length of the frame in `target`, which has room for as many bytes as there are; 0 where it is not shorter. */
static size_t
pack(const uint8_t *data, size_t length, size_t width, uint8_t *target, uint8_t *scratch, uint32_t *table)
{
    int split = width <= MOST_STREAMS && length / width >= LEAST_STREAM;
    size_t most = split ? BLOCK : ONE_STREAM, block = (length < most ? length : most) / width * width;
    size_t blocks = (length + block - 1) / block;
    Output out = {target, HEADER + 4 * blocks, length};
    if (out.length >= length) {
        return 0;
    }
    memset(target, 0, HEADER);
    target[0] = VERSION;
    target[1] = 1; /* of LZ4 */
    target[2] = (uint8_t)(EXTENDED | (split ? 0 : WHOLE) | LZ4 << 5);
    target[3] = (uint8_t)width;
    target[CODEC - 1] = SHUFFLE;
    target[CODEC] = LZ4;
    put_number(target + 4, (uint32_t)length);
    put_number(target + 8, (uint32_t)block);
    if (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0) {
        target[31] = ZEROS << SPECIAL;
        put_number(target + 12, HEADER);
        return HEADER;
    }
    memset(table, 0, sizeof(uint32_t) << LZ4_TABLE_BITS);
    for (size_t number = 0, start = 0; start < length; number++, start += block) {
        size_t size = length - start < block ? length - start : block;
        size_t streams = split && size == block ? width : 1;
        put_number(target + HEADER + 4 * number, (uint32_t)out.length);
        bytes_apart(data + start, scratch, size, width);
        for (size_t stream = 0; stream < streams; stream++) {
            size_t each = size / streams;
            if (put_stream(&out, scratch, stream * each, each, table, split ? 7 : 5) < 0) {
                return 0;
            }
        }
    }
    put_number(target + 12, (uint32_t)out.length);
    return out.length;
}

/* -1: it is damaged. */
static int
get_stream(const uint8_t **at, const uint8_t *end, uint8_t *target, size_t length)
{
    if (end - *at < 4) {
        return -1;
    }
    int32_t size = get_number(*at);
    *at += 4;
    if (size <= 0) {
        if (size < 0 && (*at == end || (*(*at)++ & 1) == 0 || size < -255)) {
            return -1;
        }
        memset(target, -size, length);
        return 0;
    }
    if ((size_t)size > (size_t)(end - *at)) {
        return -1;
    }
    const uint8_t *from = *at;
    *at += size;
    if ((size_t)size == length) {
        memcpy(target, from, length);
        return 0;
    }
    return lz4_unpack(from, (size_t)size, target, length);
}


/* A frame's header, as far as it is understood. */
typedef struct {
    size_t width, block;
    int special, copied, split, shuffled;
} Header;

/* -1: this is none of a frame of so many bytes, or it asks for what is not used here. */
static int
get_header(Header *header, const uint8_t *frame, size_t length, size_t size)
{
    if (length < HEADER || (frame[2] & EXTENDED) != EXTENDED || frame[2] >> 5 != LZ4 || frame[CODEC] > LZ4 || frame[30] != 0 ||
        (frame[31] & 0x8d) != 0) {
        return -1;
    }
    unsigned filters = 0;
    for (int place = FILTERS; place < CODEC; place++) {
        filters += frame[place];
    }
    if (filters > SHUFFLE) {
        return -1;
    }
    int32_t block = get_number(frame + 8);
    if ((uint32_t)get_number(frame + 4) != size || (uint32_t)get_number(frame + 12) != length || block <= 0 || frame[3] == 0) {
        return -1;
    }
    *header = (Header){
        .width = frame[3],
        .block = (size_t)block < size ? (size_t)block : size,
        .special = frame[31] >> SPECIAL,
        .copied = frame[2] & COPIED,
        .split = !(frame[2] & WHOLE),
        .shuffled = filters == SHUFFLE && frame[3] > 1,
    };
    return 0;
}

static int
unpack_special(const Header *header, const uint8_t *value, size_t length, uint8_t *target, size_t size)
{
    if (header->special == ZEROS && length == 0) {
        memset(target, 0, size);
        return 0;
    }
    if (header->special != REPEATED || length != header->width) {
        return -1;
    }
    for (size_t place = 0; place < size; place++) {
        target[place] = value[place % length];
    }
    return 0;
}

/* Fills the target; -1 where the frame is damaged, -2 where there is no memory. */
static int
unpack(const uint8_t *frame, size_t length, uint8_t *target, size_t size)
{
    Header header;
    if (get_header(&header, frame, length, size) < 0) {
        return -1;
    }
    const uint8_t *const end = frame + length;
    if (header.special) {
        return unpack_special(&header, frame + HEADER, length - HEADER, target, size);
    }
    if (header.copied) {
        if (length - HEADER != size) {
            return -1;
        }
        memcpy(target, frame + HEADER, size);
        return 0;
    }
    size_t blocks = size == 0 ? 0 : (size - 1) / header.block + 1;
    if (blocks > (length - HEADER) / 4) {
        return -1;
    }
    uint8_t *scratch = header.shuffled ? malloc(header.block ? header.block : 1) : NULL;
    if (header.shuffled && scratch == NULL) {
        return -2;
    }
    int failed = 0;
    for (size_t number = 0, start = 0; number < blocks && !failed; number++, start += header.block) {
        size_t here = size - start < header.block ? size - start : header.block;
        size_t streams = header.split && here == header.block ? header.width : 1, each = here / streams;
        size_t place = (uint32_t)get_number(frame + HEADER + 4 * number);
        uint8_t *to = header.shuffled ? scratch : target + start;
        failed = place > length || each * streams != here ? -1 : 0;
        const uint8_t *at = failed ? end : frame + place;
        for (size_t stream = 0; stream < streams && !failed; stream++) {
            failed = get_stream(&at, end, to + stream * each, each);
        }
        if (header.shuffled && !failed) {
            bytes_together(scratch, target + start, here, header.width);
        }
    }
    free(scratch);
    return failed;
}

/* pack(data, width): a frame that is shorter than the data; empty where there is none. */
PyObject *
packed_pack(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    int width;
    if (!PyArg_ParseTuple(arguments, "y*i", &data, &width)) {
        return NULL;
    }
    size_t length = (size_t)data.len, made = 0;
    PyObject *frame = NULL;
    if (width < 1 || width > WIDEST || length > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "items have 1 to 255 bytes, and frames at most 2 GiB");
    }
    else if (length < (size_t)width) {
        frame = PyBytes_FromStringAndSize(NULL, 0);
    }
    else {
        size_t block = length < BLOCK ? length : BLOCK, table = sizeof(uint32_t) << LZ4_TABLE_BITS;
        uint8_t *memory = malloc(table + block + length);
        if (memory == NULL) {
            PyErr_NoMemory();
        }
        else {
            uint8_t *target = memory + table + block;
            Py_BEGIN_ALLOW_THREADS;
            made = pack(data.buf, length, (size_t)width, target, memory + table, (uint32_t *)memory);
            Py_END_ALLOW_THREADS;
            frame = PyBytes_FromStringAndSize((const char *)target, (Py_ssize_t)made);
            free(memory);
        }
    }
    PyBuffer_Release(&data);
    return frame;
}

/* unpack(frame, target): fills the target; ValueError where the frame is damaged, or of another length. */
PyObject *
packed_unpack(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer frame, target;
    int failed;
    if (!PyArg_ParseTuple(arguments, "y*w*", &frame, &target)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    failed = unpack(frame.buf, (size_t)frame.len, target.buf, (size_t)target.len);
    Py_END_ALLOW_THREADS;
    PyBuffer_Release(&frame);
    PyBuffer_Release(&target);
    if (failed == -2) {
        return PyErr_NoMemory();
    }
    if (failed) {
        PyErr_SetString(PyExc_ValueError, "its frame makes no sense");
        return NULL;
    }
    Py_RETURN_NONE;
}
