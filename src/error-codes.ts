/** Every code by its status; src/errors.ts has the classes, docs/errors.md says when each comes. */
export const ERROR_CODES = {
  400: ['adapter_base_mismatch', 'adapter_without_effect', 'chat_template_failed', 'chat_template_missing', 'context_length_exceeded', 'graphql_invalid', 'graphql_limit', 'graphql_syntax', 'introspection_off', 'invalid_adapter_tensor', 'invalid_file', 'invalid_json', 'invalid_path', 'invalid_request', 'invalid_trained_on', 'json_too_deep', 'kv_budget_exceeded', 'malformed_http', 'missing_file', 'missing_tensor', 'node_too_deep', 'non_finite_adapter', 'nothing_to_export', 'over_token_limit', 'rank_budget_exceeded', 'tensor_shape_mismatch', 'tokenization_timeout', 'unsupported_adapter', 'unsupported_architecture', 'unsupported_config', 'unsupported_tokenizer'],
  401: ['api_key_expired', 'invalid_api_key'],
  403: ['ancestor_override', 'export_forbidden', 'folder_not_allowed', 'missing_scope', 'subtree_key'],
  404: ['api_key_not_found', 'folder_not_found', 'model_not_found', 'model_not_imported', 'node_not_found', 'path_digest_not_found', 'path_not_found', 'redirect_not_found', 'revision_not_found', 'route_not_found'],
  408: ['request_timeout', 'slow_reader'],
  409: ['api_key_revoked', 'deleted_above', 'last_admin_key', 'model_exists', 'model_unloaded', 'move_changes_sums', 'name_redirected', 'name_taken', 'node_archived', 'node_cycle', 'node_detached', 'node_disabled', 'node_has_children', 'nothing_to_roll_back', 'redirected_segment', 'root_node', 'trained_on_elsewhere', 'tree_structure'],
  410: ['node_purged', 'revision_recalled'],
  412: ['version_conflict'],
  413: ['blob_too_large', 'body_too_large', 'prompt_too_large'],
  415: ['unsupported_media_type'],
  416: ['range_not_satisfiable'],
  422: ['adapter_unreadable'],
  429: ['overloaded', 'rate_limited', 'subscription_overflow', 'too_many_subscriptions'],
  431: ['headers_too_large'],
  500: ['adapter_load_failed', 'engine_failed', 'inference_failed', 'internal_error', 'model_files_changed', 'model_load_failed', 'non_finite_logits'],
  502: ['engine_died'],
  503: ['database_unavailable', 'engine_restarting', 'engine_stopping', 'keys_unverified', 'path_quarantined', 'shutting_down'],
  507: ['storage_full'],
} as const satisfies Readonly<Record<number, readonly string[]>>;

/** What HTTP itself refuses, with any other status below 500. */
export const REQUEST_REFUSED = 'request_refused';
