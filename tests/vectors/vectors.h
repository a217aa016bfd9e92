/* What the vector programs share: a reader for the JSON lines of the families, files, hex, counts. Each program calls the
 * exported functions of the public header with the cases of one family and prints how many it ran. The shared vectors are
 * where LIBVOIP_VECTORS says, or in ../shared/vectors; without them the repository's own copies of the RFCs' examples run. */
#ifndef VECTORS_H
#define VECTORS_H

#include <ctype.h>
#include <sys/stat.h>
#include "../c/check.h"

/* ---- JSON: a tree of nodes that is never freed but with the program ---- */

typedef enum { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT } json_kind;

typedef struct json {
    json_kind kind;
    double number;
    char *text;          /* JSON_TEXT, with its NUL */
    char *name;          /* as a member of an object */
    struct json *first;  /* JSON_LIST, JSON_OBJECT */
    struct json *next;
} json;

static const json JSON_NOTHING = {JSON_NULL, 0, NULL, NULL, NULL, NULL};

static void *need_memory(size_t bytes)
{
    void *made = calloc(1, bytes ? bytes : 1);
    if (made == NULL) exit(fprintf(stderr, "no memory\n") > 0 ? 1 : 1);
    return made;
}

static json *json_value(const char **at);

static void json_space(const char **at)
{
    while (isspace((unsigned char)**at)) (*at)++;
}

static unsigned json_hex4(const char **at)
{
    unsigned value = 0;
    if (sscanf(*at, "%4x", &value) == 1) *at += 4;
    return value;
}

static char *json_utf8(char *out, unsigned c)
{
    if (c < 0x80) return *out++ = (char)c, out;
    if (c < 0x800) return *out++ = (char)(0xc0 | c >> 6), *out++ = (char)(0x80 | (c & 63)), out;
    if (c >= 0x10000) *out++ = (char)(0xf0 | c >> 18), *out++ = (char)(0x80 | (c >> 12 & 63));
    else *out++ = (char)(0xe0 | c >> 12);
    *out++ = (char)(0x80 | (c >> 6 & 63));
    *out++ = (char)(0x80 | (c & 63));
    return out;
}

static char *json_string(const char **at)
{
    char *made = (char *)need_memory(strlen(*at) + 1), *out = made;
    for ((*at)++; **at != 0 && **at != '"'; (*at)++) {
        const char *known = "nrtbf", *real = "\n\r\t\b\f", *found;
        if (**at != '\\') {
            *out++ = **at;
            continue;
        }
        (*at)++;
        if (**at == 'u') {
            unsigned c;
            (*at)++;
            c = json_hex4(at);
            if (c >= 0xd800 && c < 0xdc00 && (*at)[0] == '\\' && (*at)[1] == 'u') {
                *at += 2;
                c = 0x10000 + ((c - 0xd800) << 10) + (json_hex4(at) - 0xdc00);
            }
            out = json_utf8(out, c);
            (*at)--;
        } else {
            found = strchr(known, **at);
            *out++ = found ? real[found - known] : **at;
        }
    }
    if (**at == '"') (*at)++;
    made = (char *)realloc(made, (size_t)(out - made) + 1);
    return made;
}

static void json_members(json *node, const char **at, char end)
{
    json **place = &node->first;
    (*at)++;
    for (json_space(at); **at != 0 && **at != end; json_space(at)) {
        char *name = NULL;
        if (end == '}') {
            name = json_string(at);
            json_space(at);
            if (**at == ':') (*at)++;
        }
        *place = json_value(at);
        (*place)->name = name;
        place = &(*place)->next;
        json_space(at);
        if (**at == ',') (*at)++;
    }
    if (**at != 0) (*at)++;
}

static json *json_value(const char **at)
{
    json *node = (json *)need_memory(sizeof *node);
    char *end;
    json_space(at);
    switch (**at) {
    case '{': node->kind = JSON_OBJECT, json_members(node, at, '}'); break;
    case '[': node->kind = JSON_LIST, json_members(node, at, ']'); break;
    case '"': node->kind = JSON_TEXT, node->text = json_string(at); break;
    case 't': node->kind = JSON_TRUE, *at += 4; break;
    case 'f': node->kind = JSON_FALSE, *at += 5; break;
    case 'n': *at += 4; break;
    default:
        node->kind = JSON_NUMBER;
        node->number = strtod(*at, &end);
        *at = end > *at ? end : *at + 1;
    }
    return node;
}

static const json *get(const json *object, const char *name)
{
    const json *member;
    for (member = object->first; member != NULL; member = member->next) {
        if (member->name != NULL && strcmp(member->name, name) == 0) return member;
    }
    return &JSON_NOTHING;
}

/* The member as text, "" when it has none. */
static const char *text(const json *object, const char *name)
{
    const json *member = get(object, name);
    return member->kind == JSON_TEXT ? member->text : "";
}

static int has(const json *object, const char *name)
{
    return get(object, name)->kind != JSON_NULL;
}

static int is_text(const json *object, const char *name, const char *expected)
{
    return strcmp(text(object, name), expected) == 0;
}

static double number(const json *object, const char *name)
{
    return get(object, name)->number;
}

static size_t count(const json *list)
{
    size_t n = 0;
    const json *item;
    for (item = list->first; item != NULL; item = item->next) n++;
    return n;
}

/* ---- files ---- */

typedef struct {
    uint8_t *data;
    size_t len;
} bytes;

static bytes read_path(const char *path)
{
    bytes file = {NULL, 0};
    long size;
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
        if (f) fclose(f);
        return file;
    }
    file.data = (uint8_t *)need_memory((size_t)size + 1);
    file.len = fread(file.data, 1, (size_t)size, f);
    fclose(f);
    return file;
}

static char *join(const char *a, const char *b)
{
    char *made = (char *)need_memory(strlen(a) + strlen(b) + 2);
    sprintf(made, "%s/%s", a, b);
    return made;
}

/* The shared folder of a family, NULL when the vectors are not here. */
static char *shared(const char *family)
{
    const char *places[] = {getenv("LIBVOIP_VECTORS"), "../shared/vectors", "../../shared/vectors"};
    struct stat there;
    size_t i;
    for (i = 0; i < 3; i++) {
        if (places[i] != NULL && stat(places[i], &there) == 0) return join(places[i], family);
    }
    printf("%s: 0 cases, the shared vectors are not here\n", family);
    return NULL;
}

/* The bytes of a case's file number `index`; the size must be the one that the case says. */
static bytes file_of(const char *folder, const json *row, size_t index)
{
    bytes file = {NULL, 0};
    const json *entry = get(row, "files")->first;
    while (entry != NULL && index-- > 0) entry = entry->next;
    if (entry == NULL) return file;
    file = read_path(join(folder, text(entry, "path")));
    CHECK(file.data != NULL && file.len == (size_t)number(entry, "size"));
    return file;
}

static bytes unhex(const char *digits)
{
    bytes made;
    size_t i;
    made.len = strlen(digits) / 2;
    made.data = (uint8_t *)need_memory(made.len + 64);
    for (i = 0; i < made.len; i++) {
        unsigned value = 0;
        sscanf(digits + 2 * i, "%2x", &value);
        made.data[i] = (uint8_t)value;
    }
    return made;
}

static bytes hex_of(const json *object, const char *name)
{
    return unhex(text(object, name));
}

static int same(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* ---- cases ---- */

/* Runs `check` on each row of cases.jsonl; it gives 1 if the row was one for it. A failed check names the row. */
static int run_cases(const char *family, const char *folder, int (*check)(const char *folder, const json *row))
{
    int ran = 0, rows = 0, failed_before;
    bytes lines;
    char *line, *rest;
    if (folder == NULL) return 0;
    lines = read_path(join(folder, "cases.jsonl"));
    CHECK(lines.len > 0);
    if (lines.data == NULL) return 0;
    lines.data[lines.len] = 0;
    for (line = (char *)lines.data; line != NULL && *line != 0; line = rest) {
        const char *at = line;
        json *row;
        rest = strchr(line, '\n');
        if (rest != NULL) *rest++ = 0;
        row = json_value(&at);
        failed_before = check_failures;
        ran += check(folder, row);
        rows++;
        if (check_failures != failed_before) fprintf(stderr, "  in %s: %s\n", family, text(row, "id"));
    }
    printf("%s: %d cases of %d rows\n", family, ran, rows);
    return ran;
}

/* Runs a family of the shared vectors; where they are, at least `least` cases must run. */
static void run_shared(const char *family, int least, int (*check)(const char *folder, const json *row))
{
    char *folder = shared(family);
    if (folder != NULL) CHECK(run_cases(family, folder, check) >= least);
}

#endif
