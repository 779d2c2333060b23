/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a pool that are about NVMe: resources of the controllers, and disks. */

#include "policy/parse.h"
#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

#define RESOURCES_MAX 65535 /* NVQ and NVI have 16 bits (NVM Express base specification 2.0, figure 283) */
#define QUEUES_MIN    2     /* the admin queue, and one for data */
#define LIST_MAX      1024U
#define NSID_MAX      0xfffffffdLL /* above are wildcards */

static const char *const storage_keys[] = { "queues",    "interrupts", "host_queues", "host_interrupts",
                                            "host_disk", "namespaces", "erase" };

static void refuse_all(struct context *c, const char *path, json_t *pool, const char *pool_is,
                       const char *beside) {
        char member[PATH_MAX_LEN];

        FOREACH_ARRAY(key, storage_keys, ARRAY_SIZE(storage_keys)) {
                if (!json_object_get(pool, *key))
                        continue;
                path_join(member, path, *key);
                error_at(c, member, true, "found \"%s\" in a pool of %s; expected no such key beside %s",
                         *key, pool_is, beside);
        }
}

static int compare_nsid(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static bool has_nsid(const struct storage *s, uint32_t nsid) {
        FOREACH_ARRAY(n, s->list, s->n_list)
                if (*n == nsid)
                        return true;
        return false;
}

static void parse_list(struct context *c, const char *path, json_t *v, struct storage *s) {
        char item[PATH_MAX_LEN];
        size_t n;
        json_t *i;

        if (json_array_size(v) == 0 || json_array_size(v) > LIST_MAX) {
                error_at(c, path, false, "found an array of %zu; expected 1 to %u numbers of namespaces",
                         json_array_size(v), LIST_MAX);
                return;
        }
        s->list = calloc(json_array_size(v), sizeof(*s->list));
        if (!s->list) {
                c->no_memory = true;
                return;
        }
        json_array_foreach(v, n, i) {
                json_int_t nsid = json_integer_value(i);

                path_index(item, path, n);
                if (!json_is_integer(i) || nsid < 1 || nsid > NSID_MAX)
                        error_at(c, item, false, "found %s; expected a namespace, a number from 1 to %lld",
                                 FOUND(i), NSID_MAX);
                else if (has_nsid(s, (uint32_t) nsid))
                        error_at(c, item, false,
                                 "found %s, which is in the list already; expected each namespace once",
                                 FOUND(i));
                else
                        s->list[s->n_list++] = (uint32_t) nsid;
        }
        qsort(s->list, s->n_list, sizeof(*s->list), compare_nsid);
        s->namespaces = NAMESPACES_LISTED;
}

/* False: wrong, and reported. */
static bool parse_namespaces(struct context *c, const char *pool_path, json_t *pool, struct storage *s) {
        json_t *v = json_object_get(pool, "namespaces");
        const char *word = json_is_string(v) ? json_string_value(v) : "";
        size_t before = c->errors->n;
        char path[PATH_MAX_LEN];

        path_join(path, pool_path, "namespaces");
        if (!v || strcmp(word, "none") == 0)
                return true;
        if (strcmp(word, "attached") == 0)
                s->namespaces = NAMESPACES_ATTACHED;
        else if (json_is_array(v))
                parse_list(c, path, v, s);
        else if (json_is_object(v)) {
                s->namespaces = NAMESPACES_NEW;
                value_object(c, path, v, OBJECT_DISK);
                if (value_required(c, path, v, "size", "a size like \"10G\""))
                        value_size(c, path, v, "size", &s->size);
        } else
                value_refuse(c, pool_path, "namespaces", v,
                             "\"none\", \"attached\", an array of namespaces, or { \"size\": \"10G\" }");
        return c->errors->n == before && !c->no_memory;
}

/* Which of the words make sense depends on whose namespaces these are. */
static void parse_erase(struct context *c, const char *path, json_t *pool, struct storage *s) {
        static const char *const words[_ERASE_RULE_MAX] = { "delete", "format", "crypto", "never" };
        static const struct {
                unsigned first, n;
        } allowed[_NAMESPACE_RULE_MAX] = {
                [NAMESPACES_ATTACHED] = { ERASE_FORMAT, 3 },
                [NAMESPACES_LISTED] = { ERASE_FORMAT, 3 },
                [NAMESPACES_NEW] = { ERASE_DELETE, 3 },
        };
        unsigned first = allowed[s->namespaces].first, n = allowed[s->namespaces].n;
        char member[PATH_MAX_LEN];

        path_join(member, path, "erase");
        s->erase = (enum erase_rule) first;
        if (s->namespaces == NAMESPACES_NONE) {
                if (json_object_get(pool, "erase"))
                        error_at(c, member, true,
                                 "found \"erase\" in a pool without namespaces; expected \"namespaces\" beside it");
                return;
        }
        /* Disks that the daemon did not choose are not wiped because a key was left out */
        if (s->namespaces == NAMESPACES_ATTACHED)
                value_required(c, path, pool, "erase",
                               "\"format\", \"crypto\" or \"never\" beside \"namespaces\": \"attached\"");
        int word = value_word(c, path, pool, "erase", words + first, n);
        if (word >= 0)
                s->erase = (enum erase_rule)(first + (unsigned) word);
}

static void parse_resources(struct context *c, const char *path, json_t *v, struct storage *s) {
        static const char *const host_disk[] = { "refuse", "allow" };
        int64_t n = 0;

        if (value_int(c, path, v, "queues", QUEUES_MIN, RESOURCES_MAX, &n))
                s->queues = (uint32_t) n;
        if (value_int(c, path, v, "interrupts", 1, RESOURCES_MAX, &n))
                s->interrupts = (uint32_t) n;
        s->takes_queues = value_int(c, path, v, "host_queues", 0, RESOURCES_MAX, &n);
        s->host_queues = s->takes_queues ? (uint32_t) n : 0;
        s->takes_interrupts = value_int(c, path, v, "host_interrupts", 0, RESOURCES_MAX, &n);
        s->host_interrupts = s->takes_interrupts ? (uint32_t) n : 0;
        s->host_disk = value_word(c, path, v, "host_disk", host_disk, ARRAY_SIZE(host_disk)) == 1;
}

void parse_storage(struct context *c, const char *path, json_t *v, struct pool *p) {
        if (p->assign == ASSIGN_FUNCTION)
                refuse_all(c, path, v, "whole functions", "\"assign\": \"function\"");
        else if (p->class == POOL_CLASS_NETWORK)
                refuse_all(c, path, v, "network functions", "\"class\": \"network\"");
        else {
                parse_resources(c, path, v, &p->storage);
                if (parse_namespaces(c, path, v, &p->storage))
                        parse_erase(c, path, v, &p->storage);
        }
}
