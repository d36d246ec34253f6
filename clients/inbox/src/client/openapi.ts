// Made from docs/api/openapi.json by `npm run types`.
export interface paths {
    "/counts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Count unread entries
         * @description Count unread entries by notification type. Types without unread entries are left out.
         *
         *     The id of a count is the type's number, or the type's name if it has no number.
         */
        get: operations["get_counts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/notifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List entries
         * @description List all unread entries, oldest first, unless parameters ask for something else.
         *
         *     The response has `links` only if the request asks for pages.
         */
        get: operations["list_notifications"];
        put?: never;
        /**
         * Mark entries as read
         * @description Mark the caller's entries as read. Ids that do not exist or belong to another recipient are ignored.
         */
        post: operations["mark_notifications_read"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/notifications/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Mark an entry as read
         * @description Mark an entry as read. Marking an entry that is already read changes nothing and succeeds.
         */
        delete: operations["mark_notification_read"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/inbox/preferences": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the caller's preferences
         * @description List every type that the caller can be notified of, by channel, with what is mandatory and what is stopped.
         *
         *     A suppression of the address stops email whatever is chosen; only an operator ends it. 404 if the recipients table
         *     does not have the caller.
         */
        get: operations["list_inbox_preferences"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Change the caller's preferences
         * @description Change some of the caller's preferences, all or none, and list all. They are in force once this has answered.
         *
         *     To turn email of a type on also ends an unsubscribe. A mandatory type cannot be turned off (422). Mail that is held
         *     is timed again by a new frequency, zone or quiet hours; null stands for the default quiet hours.
         */
        patch: operations["change_inbox_preferences"];
        trace?: never;
    };
    "/v1/inbox/read-all": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Mark all entries as read
         * @description Mark every unread entry of the caller as read, or only those of some types.
         */
        post: operations["mark_all_notifications_read"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/inbox/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream the inbox
         * @description Stream the inbox as server-sent events: first a `snapshot`, then `new`, `read` and `removed` as they happen.
         *
         *     With Last-Event-ID, the stream begins with the changes after that event, or with a snapshot if they are no longer
         *     known. `counts` follows the snapshot and the changes. A comment every 15 seconds keeps the connection open.
         *
         *     A page that reads the response by `fetch` sends its token in the Authorization header. The browser's EventSource
         *     sends none: it gets a ticket (`POST /v1/inbox/stream-tickets`), and `last_event_id` in the query where it resumes.
         */
        get: operations["stream_inbox"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/inbox/stream-tickets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Issue a ticket for a stream
         * @description Issue a ticket for the caller's stream, for a browser's own EventSource, which sends no Authorization header.
         *
         *     It works once and for half a minute, so that a URL in a log opens nothing. The stream ends when the caller's token
         *     does.
         */
        post: operations["issue_stream_ticket"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Count
         * @description Unread entries of a notification type. The id is the type's number, or its name if it has no number.
         */
        Count: {
            attributes: components["schemas"]["CountAttributes"];
            id: string;
            /** @constant */
            type: "notifications";
        };
        /**
         * CountAttributes
         * @description The number of unread entries of a notification type.
         */
        CountAttributes: {
            count: number;
            type_str: string;
        };
        /**
         * Counts
         * @description Notification types that have unread entries.
         */
        Counts: {
            data: components["schemas"]["Count"][];
        };
        /**
         * CountsEvent
         * @description Unread entries by type, after a snapshot and after changes.
         */
        CountsEvent: {
            data: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "counts";
            id: string;
        };
        /**
         * Frequency
         * @description How often mail of a type is sent: each one at once, or together in a digest.
         * @enum {string}
         */
        Frequency: "instant" | "hourly" | "daily" | "weekly";
        /**
         * InboxEvent
         * @description An event of the stream. `data` is JSON on one line, of the schema in `contentSchema`.
         */
        InboxEvent: components["schemas"]["SnapshotEvent"] | components["schemas"]["NewEvent"] | components["schemas"]["ReadEvent"] | components["schemas"]["RemovedEvent"] | components["schemas"]["CountsEvent"];
        /**
         * InboxPreference
         * @description A choice for a type and a channel.
         */
        InboxPreference: {
            /** @enum {string} */
            channel: "email" | "inbox";
            /** @description Null keeps the one that was chosen. */
            frequency?: components["schemas"]["Frequency"] | null;
            on: boolean;
            type: string;
        };
        /**
         * InboxPreferenceChanges
         * @description What to change, all or none; the rest stays.
         */
        InboxPreferenceChanges: {
            preferences?: components["schemas"]["InboxPreference"][];
            quiet_hours?: components["schemas"]["QuietWindow"][] | null;
            /** @example Europe/Vienna */
            timezone?: string | null;
        };
        /**
         * InboxPreferences
         * @description All that the caller can be notified of. `address` is where emails go, masked; null without one.
         */
        InboxPreferences: {
            /** @example a•••@e•••.com */
            address: string | null;
            locale: string;
            /** @description Spans of local time without email, but for urgent ones; null for the default. */
            quiet_hours: components["schemas"]["QuietWindow"][] | null;
            /** @example Europe/Vienna */
            timezone: string;
            types: components["schemas"]["PreferencesOfType"][];
        };
        /**
         * JsonApiError
         * @description A JSON:API error object.
         */
        JsonApiError: {
            code?: string | null;
            detail: string;
            source?: components["schemas"]["JsonApiSource"] | null;
            status: string;
            title: string;
        };
        /**
         * JsonApiErrors
         * @description An error response (JSON:API 1.1).
         */
        JsonApiErrors: {
            errors: components["schemas"]["JsonApiError"][];
        };
        /**
         * JsonApiSource
         * @description The location of an error: `pointer` into the body, or the name of a query `parameter`.
         */
        JsonApiSource: {
            parameter?: string | null;
            pointer?: string | null;
        };
        /**
         * MarkedEntries
         * @description The number of entries that were marked as read.
         */
        MarkedEntries: {
            read: number;
        };
        /**
         * NewEvent
         * @description An entry came.
         */
        NewEvent: {
            data: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "new";
            id: string;
        };
        /**
         * NewNotification
         * @description An entry that is new.
         */
        NewNotification: {
            data: components["schemas"]["Notification"];
        };
        /**
         * Notification
         * @description An inbox entry as a resource.
         */
        Notification: {
            attributes: components["schemas"]["NotificationAttributes"];
            id: string;
            meta: components["schemas"]["NotificationText"];
            /** @constant */
            type: "notifications";
        };
        /**
         * NotificationAttributes
         * @description An inbox entry; `type` is null for types without a number.
         */
        NotificationAttributes: {
            /**
             * Format: date-time
             * @example 2019-04-08T14:17:37Z
             */
            created_at: string;
            meta: {
                [key: string]: unknown;
            };
            /** @description Present only if the filter includes read entries. */
            read_at?: string | null;
            type: number | null;
            type_str: string;
        };
        /**
         * NotificationId
         * @description The identifier of an inbox entry.
         */
        NotificationId: {
            id: string;
            /** @constant */
            type: "notifications";
        };
        /**
         * NotificationIds
         * @description Identifiers of inbox entries.
         */
        NotificationIds: {
            data: components["schemas"]["NotificationId"][];
        };
        /**
         * Notifications
         * @description Inbox entries; `links` is present only if the request asks for pages.
         */
        Notifications: {
            data: components["schemas"]["Notification"][];
            links?: components["schemas"]["PageLinks"] | null;
        };
        /**
         * NotificationText
         * @description What a person reads of an inbox entry.
         */
        NotificationText: {
            /**
             * @description One line of plain text, in the recipient's language at the time of the event.
             * @example New high bidder on lot 1.
             */
            line: string;
            /**
             * @description The page that the entry is about, below the operator's site; null if the type has none.
             * @example https://tocsin.test/lots/1
             */
            link: string | null;
        };
        /**
         * PageLinks
         * @description The link to the next page; null on the last page.
         */
        PageLinks: {
            next: string | null;
        };
        /**
         * PreferenceBlock
         * @description What stops email of a type, whatever is chosen.
         */
        PreferenceBlock: {
            /** @description A sentence in the language of the response. */
            detail: string;
            /** @enum {string} */
            reason: "unsubscribed" | "suppressed";
            /** @example 2026-11-27T09:00:00Z */
            since: string | null;
        };
        /**
         * PreferenceOfChannel
         * @description What is in force for a type and a channel.
         */
        PreferenceOfChannel: {
            blocked: components["schemas"]["PreferenceBlock"] | null;
            /** @enum {string} */
            channel: "email" | "inbox";
            /** @description Why it cannot be turned off, a sentence; null where it can. */
            detail: string | null;
            /** @description How often it comes: at once, or in a digest; null where that cannot be chosen. */
            frequency: components["schemas"]["Frequency"] | null;
            /** @description Whether it cannot be turned off. */
            mandatory: boolean;
            on: boolean;
            /** @description Since when that was chosen; null for the default. */
            since: string | null;
        };
        /**
         * PreferencesOfType
         * @description A notification type with its channels.
         */
        PreferencesOfType: {
            channels: components["schemas"]["PreferenceOfChannel"][];
            domain: string;
            /** @description In the language of the response. */
            title: string;
            type: string;
        };
        /**
         * Problem
         * @description An error (RFC 9457).
         */
        Problem: {
            detail: string;
            errors?: components["schemas"]["ProblemField"][] | null;
            status: number;
            title: string;
            /** @example urn:tocsin:problem:not-found */
            type: string;
        } & {
            [key: string]: unknown;
        };
        /**
         * ProblemField
         * @description An invalid field: `pointer` into the body, or the name of a query `parameter`.
         */
        ProblemField: {
            detail: string;
            parameter?: string | null;
            pointer?: string | null;
        };
        /**
         * QuietWindow
         * @description A span of local time without mail.
         *
         *     `days`: those on which it starts. One that ends at or before its start ends on the next day.
         */
        QuietWindow: {
            /**
             * @default [
             *       "mon",
             *       "tue",
             *       "wed",
             *       "thu",
             *       "fri",
             *       "sat",
             *       "sun"
             *     ]
             */
            days: components["schemas"]["Weekday"][];
            /** @example 08:00 */
            end: string;
            /** @example 08:00 */
            start: string;
        };
        /**
         * ReadEvent
         * @description Entries were marked as read.
         */
        ReadEvent: {
            data: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "read";
            id: string;
        };
        /**
         * RemovedEvent
         * @description Entries were withdrawn or have expired.
         */
        RemovedEvent: {
            data: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "removed";
            id: string;
        };
        /**
         * SnapshotEvent
         * @description The beginning of a stream, and a new beginning where the changes since then are no longer known.
         */
        SnapshotEvent: {
            data: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "snapshot";
            id: string;
        };
        /**
         * Ticket
         * @description A ticket for one live stream: `GET /v1/inbox/stream?ticket=…` opens it once.
         */
        Ticket: {
            /** @description The seconds in which the stream must be opened. */
            expires_in: number;
            ticket: string;
        };
        /**
         * UnreadEntries
         * @description All unread entries, oldest first.
         */
        UnreadEntries: {
            data: components["schemas"]["Notification"][];
        };
        /**
         * Weekday
         * @description A day of the week, Monday first.
         * @enum {string}
         */
        Weekday: "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    get_counts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["Counts"];
                };
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description None of the media types in Accept can be produced. */
            406: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
        };
    };
    list_notifications: {
        parameters: {
            query?: {
                /** @description Include unread entries (the default), read entries, or all. */
                "filter[status]"?: "unread" | "read" | "all";
                /** @description Types by number or name, separated by commas. */
                "filter[type]"?: string;
                /** @description The cursor in `links.next` of the previous page; turns paging on. */
                "page[after]"?: string;
                /** @description The number of entries in a page; turns paging on. */
                "page[size]"?: number;
                /** @description The sort order; a minus sign sorts newest first. */
                sort?: "created_at" | "-created_at";
                /** @description Another name for filter[status]. */
                status?: "unread" | "read" | "all";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["Notifications"];
                };
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description None of the media types in Accept can be produced. */
            406: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
        };
    };
    mark_notifications_read: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NotificationIds"];
                "application/vnd.api+json": components["schemas"]["NotificationIds"];
            };
        };
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description None of the media types in Accept can be produced. */
            406: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The body is larger than 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
        };
    };
    mark_notification_read: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The entry's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The resource does not exist, or it belongs to another caller. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description None of the media types in Accept can be produced. */
            406: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.api+json": components["schemas"]["JsonApiErrors"];
                };
            };
        };
    };
    list_inbox_preferences: {
        parameters: {
            query?: {
                /** @description The language of titles and sentences; the recipient's own by default. */
                locale?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InboxPreferences"];
                };
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The resource does not exist, or it belongs to another caller. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_inbox_preferences: {
        parameters: {
            query?: {
                /** @description The language of titles and sentences; the recipient's own by default. */
                locale?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InboxPreferenceChanges"];
            };
        };
        responses: {
            /** @description Success. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InboxPreferences"];
                };
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The resource does not exist, or it belongs to another caller. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is larger than 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is JSON but does not match the documented schema; `errors` lists the invalid fields. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    mark_all_notifications_read: {
        parameters: {
            query?: {
                /** @description Types by number or name, separated by commas; all types by default. */
                "filter[type]"?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MarkedEntries"];
                };
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is larger than 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    stream_inbox: {
        parameters: {
            query?: {
                /** @description As the header Last-Event-ID, which comes first. */
                last_event_id?: string;
                /** @description A ticket, instead of a token. */
                ticket?: string;
            };
            header?: {
                /** @description The id of the last event that the client received. */
                "last-event-id"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Server-sent events; the schema describes one event. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["InboxEvent"];
                };
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    issue_stream_ticket: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Success. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ticket"];
                };
            };
            /** @description The request is malformed. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential is missing or not valid. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The credential does not allow this operation. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request took too long to arrive. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is larger than 1 MiB. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The path and the query are too long. */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type of the body is not one of those documented. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests; Retry-After gives the number of seconds to wait. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The header fields are too large or too many. */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A dependency is unavailable; Retry-After gives the number of seconds to wait. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
