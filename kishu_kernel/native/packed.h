/* What the files of packed chunks share. */
#ifndef KISHU_PACKED_H
#define KISHU_PACKED_H

#include "native.h"

#define LZ4_TABLE_BITS 12

/* Writes a block of at most `room` bytes; its length, or 0 where it would be longer.
 * Positions are counted from `base`: `table` holds those of earlier calls, too. It has 1 << LZ4_TABLE_BITS of them.
 * The larger the first step, the faster it is, and the more it misses.
 */
size_t lz4_pack(const uint8_t *base, size_t start, size_t length, uint8_t *target, size_t room, uint32_t *table, size_t first_step);

/* Reads a block that holds exactly `size` bytes; -1 where it does not. */
int lz4_unpack(const uint8_t *block, size_t length, uint8_t *target, size_t size);

/* Item by item becomes byte by byte: all first bytes, all second ones, ...; then bytes that make no whole item. And back. */
void bytes_apart(const uint8_t *items, uint8_t *planes, size_t length, size_t width);
void bytes_together(const uint8_t *planes, uint8_t *items, size_t length, size_t width);

#endif
