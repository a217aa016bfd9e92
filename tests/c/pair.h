/* Phones on 127.0.0.1 with what their callbacks saw. Waiting is by a condition, never by sleeping. */
#ifndef PAIR_H
#define PAIR_H

#include <pthread.h>
#include <time.h>
#include "check.h"

enum { PAIR_SECONDS = 30 };

typedef struct side {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    voip_phone *phone;
    char address[64];
    char uri[96];
    /* What to do with a call: 0 let it ring, 1 answer, 2 deny, else reject with this code. */
    int on_call;
    voip_call *incoming; /* retained in on_incoming_call */
    int incoming_calls;
    int states[8];       /* how often each state was told */
    int after_ended;     /* events of a call after its ENDED */
    voip_call *ended_call;
    int32_t last_code, last_cause, last_by;
    char last_reason[128];
    char keys[64];
    int begun_keys, key_ms;
    int negotiated, started;
    int played, play_completed, dtmf_sent, recorded;
    uint64_t last_play, recorded_frames;
    int captured;
    uint64_t captured_packets, captured_lost;
    int stats;
    int voice_begun, voice_ended, voice_ms;
    int marks, marks_lost;
    int addresses;
    char address_seen[64], address_before[64];
    uint64_t mark[16];
    int phone_status[8];
    int account_status[8];
    int32_t account_code;
    int destroyed;
    int messages, message_results;
    uint64_t last_message;
    char message_body[64], message_type[64], message_from[128], message_name[64];
    voip_status in_callback; /* what a function that may wait said inside a callback */
} side;

static void side_lock(side *s) { pthread_mutex_lock(&s->lock); }
static void side_unlock(side *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Waits until the counter has reached the number; 1 if it did. */
static int side_wait(side *s, const int *counter, int number)
{
    struct timespec until;
    int reached;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PAIR_SECONDS;
    pthread_mutex_lock(&s->lock);
    while (*counter < number && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0) {
    }
    reached = *counter >= number;
    pthread_mutex_unlock(&s->lock);
    return reached;
}

static void side_on_phone(voip_phone *phone, const voip_phone_status_info *info, void *user)
{
    side *s = (side *)user;
    (void)phone;
    side_lock(s);
    s->phone_status[info->status]++;
    side_unlock(s);
}

static void side_on_account(voip_account *account, const voip_account_status_info *info, void *user)
{
    side *s = (side *)user;
    (void)account;
    side_lock(s);
    s->account_status[info->status]++;
    s->account_code = info->sip_code;
    side_unlock(s);
}

static void side_on_incoming(voip_phone *phone, voip_call *call, const voip_incoming_call_info *info, void *user)
{
    side *s = (side *)user;
    CHECK(phone == s->phone);
    CHECK(info->remote_uri != NULL && info->remote_name != NULL && info->call_id[0] != 0);
    OK(voip_call_retain(call));
    s->in_callback = voip_call_wait_state(call, VOIP_CALL_ENDED, -1);
    if (s->on_call == 1) {
        OK(voip_call_answer(call));
    } else if (s->on_call == 2) {
        OK(voip_call_deny(call));
    } else if (s->on_call > 2) {
        OK(voip_call_reject(call, s->on_call, NULL));
    }
    side_lock(s);
    if (s->incoming != NULL) {
        voip_call_release(s->incoming);
    }
    s->incoming = call;
    s->incoming_calls++;
    side_unlock(s);
}

static void side_on_state(voip_call *call, const voip_call_state_info *info, void *user)
{
    side *s = (side *)user;
    side_lock(s);
    if (s->ended_call == call) {
        s->after_ended++;
    }
    s->states[info->state]++;
    s->last_code = info->sip_code;
    s->last_cause = info->cause;
    s->last_by = info->by;
    snprintf(s->last_reason, sizeof s->last_reason, "%s", info->reason);
    if (info->state == VOIP_CALL_ENDED) {
        s->ended_call = call;
    }
    side_unlock(s);
}

static void side_on_media(voip_call *call, const voip_call_media_info *info, void *user)
{
    side *s = (side *)user;
    (void)call;
    side_lock(s);
    s->negotiated += info->event == VOIP_MEDIA_NEGOTIATED;
    s->started += info->event == VOIP_MEDIA_STARTED;
    side_unlock(s);
}

static void side_on_dtmf(voip_call *call, const voip_dtmf_info *info, void *user)
{
    side *s = (side *)user;
    size_t length;
    (void)call;
    side_lock(s);
    length = strlen(s->keys);
    if (length + 1 < sizeof s->keys) {
        s->keys[length] = info->digit;
    }
    s->key_ms = (int)info->duration_ms;
    side_unlock(s);
}

static void side_on_begin(voip_call *call, const voip_dtmf_info *info, void *user)
{
    side *s = (side *)user;
    (void)call;
    (void)info;
    side_lock(s);
    s->begun_keys++;
    side_unlock(s);
}

static void side_on_sent(voip_call *call, const voip_play_info *info, void *user)
{
    side *s = (side *)user;
    (void)call;
    (void)info;
    side_lock(s);
    s->dtmf_sent++;
    side_unlock(s);
}

static void side_on_played(voip_call *call, const voip_play_info *info, void *user)
{
    side *s = (side *)user;
    (void)call;
    side_lock(s);
    s->played++;
    s->play_completed += info->completed;
    s->last_play = info->play_id;
    side_unlock(s);
}

static void side_on_recorded(voip_call *call, const voip_record_info *info, void *user)
{
    side *s = (side *)user;
    (void)call;
    side_lock(s);
    s->recorded += info->ok;
    s->recorded_frames = info->frames;
    side_unlock(s);
}

static void side_on_captured(voip_call *call, const voip_capture_info *info, void *user)
{
    side *s = (side *)user;
    (void)call;
    side_lock(s);
    s->captured += info->ok;
    s->captured_packets = info->packets;
    s->captured_lost = info->lost;
    side_unlock(s);
}

static void side_on_stats(voip_call *call, const voip_call_stats *stats, void *user)
{
    side *s = (side *)user;
    (void)call;
    side_lock(s);
    s->stats += stats->size == sizeof(voip_call_stats);
    side_unlock(s);
}

static void side_on_voice(voip_call *call, const voip_voice_info *info, void *user)
{
    side *s = (side *)user;
    (void)call;
    side_lock(s);
    s->voice_begun += info->speaking;
    s->voice_ended += !info->speaking;
    s->voice_ms = (int)info->voice_ms;
    side_unlock(s);
}

static void side_on_mark(voip_call *call, const voip_playback_mark_info *info, void *user)
{
    side *s = (side *)user;
    (void)call;
    side_lock(s);
    s->mark[(s->marks + s->marks_lost) % 16] = info->mark;
    s->marks += info->reached;
    s->marks_lost += !info->reached;
    side_unlock(s);
}

static void side_on_address(voip_phone *phone, const voip_public_address_info *info, void *user)
{
    side *s = (side *)user;
    (void)phone;
    side_lock(s);
    snprintf(s->address_seen, sizeof s->address_seen, "%s", info->address);
    snprintf(s->address_before, sizeof s->address_before, "%s", info->previous);
    s->addresses++;
    side_unlock(s);
}

static void side_destroy(void *user)
{
    side *s = (side *)user;
    side_lock(s);
    s->destroyed++;
    side_unlock(s);
}

/* Settings on a free port of 127.0.0.1 with short timers. */
static voip_config *side_config(void)
{
    voip_config *config = NULL;
    MUST(voip_config_new(&config));
    MUST(voip_config_set_bind(config, "127.0.0.1", 0));
    MUST(voip_config_set_rtp_ports(config, 20000, 39999));
    return config;
}

static voip_callbacks side_table(int listens)
{
    voip_callbacks table = VOIP_CALLBACKS_INIT;
    table.on_phone_status = side_on_phone;
    table.on_account_status = side_on_account;
    table.on_incoming_call = listens ? side_on_incoming : NULL;
    table.on_call_state = side_on_state;
    table.on_call_media = side_on_media;
    table.on_dtmf = side_on_dtmf;
    table.on_dtmf_begin = side_on_begin;
    table.on_dtmf_sent = side_on_sent;
    table.on_play_finished = side_on_played;
    table.on_record_finished = side_on_recorded;
    table.on_capture_finished = side_on_captured;
    table.on_call_stats = side_on_stats;
    table.on_voice_activity = side_on_voice;
    table.on_playback_mark = side_on_mark;
    table.on_public_address_changed = side_on_address;
    return table;
}

/* A running phone; the settings are used up. */
static void side_start(side *s, voip_config *config, int listens)
{
    voip_callbacks table = side_table(listens);
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    MUST(voip_phone_new(config, &s->phone));
    MUST(voip_config_free(config));
    MUST(voip_phone_set_callbacks(s->phone, &table, s, side_destroy));
    MUST(voip_phone_start(s->phone));
    MUST(voip_phone_get_local_address(s->phone, s->address, sizeof s->address, NULL));
    snprintf(s->uri, sizeof s->uri, "sip:test@%s", s->address);
}

static void side_stop(side *s)
{
    if (s->incoming != NULL) {
        OK(voip_call_release(s->incoming));
        s->incoming = NULL;
    }
    OK(voip_phone_free(s->phone));
    CHECK(s->destroyed == 1);
    CHECK(s->after_ended == 0);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

/* One answered call from `from` to `to`; both handles are the caller's. */
static inline voip_call *pair_connect(side *from, side *to)
{
    voip_call *call = NULL;
    to->on_call = 1;
    MUST(voip_phone_dial(from->phone, to->uri, NULL, &call));
    MUST(voip_call_wait_state(call, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    CHECK(side_wait(to, &to->incoming_calls, 1));
    OK(voip_call_wait_state(to->incoming, VOIP_CALL_ANSWERED, PAIR_SECONDS * 1000));
    return call;
}

static inline void pair_hangup(side *from, side *to, voip_call *call)
{
    OK(voip_call_hangup(call));
    CHECK(side_wait(from, &from->states[VOIP_CALL_ENDED], 1));
    CHECK(side_wait(to, &to->states[VOIP_CALL_ENDED], 1));
    OK(voip_call_release(call));
}

#endif
