// Logging in and changing the password, in native modal dialogs. Passwords go to the station and nowhere else.
import { html, nothing, render } from 'lit-html';
import { ApiError, rest } from '../api/rest.ts';
import type { Session } from '../api/types.ts';

interface Form {
  title: string;
  note?: string;
  fields: { name: string; label: string; type: 'text' | 'password'; autocomplete: string }[];
  submit: string;
  /** A form that may not be closed unanswered. */
  required?: boolean;
  send(values: Record<string, string>): Promise<void>;
}

/** Resolves true when the form was sent and taken, false when the person closed it. */
function ask(form: Form): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = document.createElement('dialog');
    dialog.className = 'pg-dialog';
    document.body.append(dialog);
    let problem = '';
    let busy = false;
    const submit = async (event: SubmitEvent) => {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(event.target as HTMLFormElement)) as Record<string, string>;
      busy = true;
      draw();
      try {
        await form.send(values);
        dialog.close('sent');
      } catch (error) {
        problem = explain(error);
        busy = false;
        draw();
      }
    };
    const draw = () =>
      render(
        html`<form @submit=${submit} aria-label=${form.title}>
          <h2>${form.title}</h2>
          ${form.note ? html`<p>${form.note}</p>` : nothing}
          ${form.fields.map(
            ({ name, label, type, autocomplete }, index) => html`<label>
              <span>${label}</span>
              <input name=${name} type=${type} autocomplete=${autocomplete} required ?autofocus=${index === 0} />
            </label>`,
          )}
          <p class="pg-dialog__problem" role="alert">${problem}</p>
          <div class="pg-dialog__buttons">
            ${form.required ? nothing : html`<button type="button" class="c-button" @click=${() => dialog.close()}>Cancel</button>`}
            <button type="submit" class="c-button c-button--major" ?disabled=${busy}>${form.submit}</button>
          </div>
        </form>`,
        dialog,
      );
    dialog.addEventListener('cancel', (event) => form.required && event.preventDefault());
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'sent');
    });
    draw();
    dialog.showModal();
  });
}

export const explain = (error: unknown): string => {
  if (error instanceof ApiError) return `${error.message}${error.hint ? ` ${error.hint}` : ''}`;
  return error instanceof DOMException && error.name === 'TimeoutError' ? 'The station did not answer in time.' : 'The station cannot be reached.';
};

/** Undefined when the person gave up. */
export async function logIn(options: { note?: string; required?: boolean } = {}): Promise<Session | undefined> {
  let session: Session | undefined;
  let oneTime = '';
  await ask({
    title: 'Log in',
    submit: 'Log in',
    ...options,
    fields: [
      { name: 'name', label: 'Name', type: 'text', autocomplete: 'username' },
      { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' },
    ],
    send: async ({ name = '', password = '' }) => {
      session = await rest.login(name, password);
      oneTime = password;
    },
  });
  if (!session?.must_change_password) return session;
  const changed = await changePassword(oneTime);
  if (!changed) {
    // A one-time password opens nothing but the change of itself.
    await rest.logout();
    return undefined;
  }
  return { name: session.name, role: session.role };
}

/** With the old password known, only the new one is asked for. */
export function changePassword(old?: string): Promise<boolean> {
  return ask({
    title: 'Choose a password',
    submit: 'Change password',
    ...(old !== undefined && { note: 'The password you logged in with works once. Choose one of your own to go on.' }),
    fields: [
      ...(old === undefined
        ? [{ name: 'old', label: 'Present password', type: 'password' as const, autocomplete: 'current-password' }]
        : []),
      { name: 'fresh', label: 'New password', type: 'password', autocomplete: 'new-password' },
      { name: 'again', label: 'New password again', type: 'password', autocomplete: 'new-password' },
    ],
    send: async (values) => {
      const { fresh = '', again = '' } = values;
      if (fresh !== again) throw new ApiError(0, 'different', 'The two new passwords differ.', '');
      await rest.password(old ?? values['old'] ?? '', fresh);
    },
  });
}
