/** Body of `POST /v1/chat/completions`. */
import { z } from 'zod';
import type { ChatMessage } from '../../tokenization/chat-template.js';
import { checkGeneration, generationFields, ignored, streamRule, unsupported } from './generation-fields.js';

const MAX_MESSAGES = 4096;
const NO_TOOLS = 'Tools are not supported.';

const textPart = z.strictObject({
  type: z.literal('text', { error: 'Only parts of type "text" are supported.' }),
  text: z.string(),
});
const content = z.union([z.string(), z.array(textPart)]);

const message = z.discriminatedUnion(
  'role',
  [
    z.strictObject({ role: z.enum(['system', 'developer', 'user']), content, name: z.string().nullish() }),
    z.strictObject({
      role: z.literal('assistant'),
      content: content.nullish(),
      name: z.string().nullish(),
      // Clients send back what they were given.
      refusal: ignored,
      annotations: ignored,
      audio: unsupported('Audio is not supported.'),
      tool_calls: unsupported(NO_TOOLS, []),
      function_call: unsupported(NO_TOOLS),
    }),
  ],
  { error: 'One of "system", "developer", "user" and "assistant" is expected.' },
);

export const chatRequest = z
  .strictObject({
    ...generationFields,
    messages: z
      .array(message)
      .min(1)
      .max(MAX_MESSAGES)
      .meta({ examples: [[{ role: 'user', content: 'Bonjour' }]] }),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.number().int().min(0).max(20).nullish(),

    tools: unsupported(NO_TOOLS, []),
    tool_choice: unsupported(NO_TOOLS, 'none', 'auto'),
    parallel_tool_calls: ignored,
    functions: unsupported(NO_TOOLS, []),
    function_call: unsupported(NO_TOOLS, 'none', 'auto'),
    response_format: unsupported('Only text is generated.', { type: 'text' }),
    modalities: unsupported('Only text is generated.', ['text']),
    audio: unsupported('Audio is not supported.'),
    reasoning_effort: unsupported('No control of reasoning is supported.'),
    verbosity: unsupported('No control of verbosity is supported.'),
    web_search_options: unsupported('Searching the web is not supported.'),
    prediction: ignored.describe('Makes answers faster elsewhere, never different.'),

    // vLLM's extensions.
    add_generation_prompt: z.boolean().nullish(),
    chat_template_kwargs: z
      .record(z.string(), z.unknown())
      .nullish()
      .describe('Further variables of the chat template.'),
  })
  .superRefine((body, context) => {
    checkGeneration(body, context);
    if (body.top_logprobs != null && body.logprobs !== true) {
      context.addIssue({ code: 'custom', path: ['top_logprobs'], message: 'Only allowed with "logprobs": true.' });
    }
    for (const field of ['max_tokens', 'max_completion_tokens'] as const) {
      if (body[field] === 0) context.addIssue({ code: 'custom', path: [field], message: 'At least 1 is expected.' });
    }
  })
  .meta({
    examples: [
      {
        model: 'storyteller/french/verne',
        messages: [{ role: 'user', content: 'Bonjour' }],
        max_completion_tokens: 16,
      },
    ],
    allOf: [
      streamRule,
      {
        if: { properties: { top_logprobs: { type: 'integer' } }, required: ['top_logprobs'] },
        then: { properties: { logprobs: { const: true } }, required: ['logprobs'] },
      },
    ],
  });
export type ChatRequest = z.infer<typeof chatRequest>;

/** Messages as chat templates know them: `developer` is today's word for `system`, and parts are one text. */
export function messagesOf(request: ChatRequest): ChatMessage[] {
  return request.messages.map(({ role, content: given, name }) => ({
    role: role === 'developer' ? 'system' : role,
    content: typeof given === 'string' ? given : (given ?? []).map((part) => part.text).join('\n'),
    ...(name == null ? {} : { name }),
  }));
}
